"""The snapshot store by itself: commit, put, get; mounts and look-ups by depth of the stack; verify; bytes per state.

Run: python benchmarks/snapshot_store.py [--files 50000] [--folder FOLDER_ON_THE_DISK_TO_MEASURE]

It goes into a mount namespace of its own (`unshare -m`, or `unshare -Ur -m` for a plain user). "Look-up" is a stat of a
path that only the base has, each in a folder that every layer has a part of, after dropping what the kernel cached.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pivotgym.envs.sandbox.contract import ShellState, Snapshot
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.changes import changes_of, digest_of
from pivotgym.envs.sandbox.store.flatten import merge_layers
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

INSIDE = "PIVOTGYM_BENCHMARK_INSIDE"
DEPTHS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128)
_libc = ctypes.CDLL(None, use_errno=True)


def show(what: str, seconds: Iterable[float]) -> None:
    times = sorted(1e3 * one for one in seconds)
    p99 = times[int(0.99 * (len(times) - 1))]
    print(f"{what:<58} n={len(times):<5} p50 {statistics.median(times):9.3f} ms   p99 {p99:9.3f} ms", flush=True)


def timed(job: Callable[[], Any]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def mount(kind: str, where: Path, options: str) -> None:
    if _libc.mount(kind.encode(), os.fsencode(where), kind.encode(), 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {kind}: {options[:80]}")


def unmount(where: Path) -> None:
    _libc.umount2(os.fsencode(where), 2)


class Bench:
    """A store with a base of many files, on a disk."""

    def __init__(self, folder: Path, files: int) -> None:
        self.folder, self.files = folder, files
        self.layers = LayerStore(folder / "store", own_ids())
        self.store = SnapshotStore(self.layers, max_layers=10**6)
        self.rw = folder / "rw"
        self.rw.mkdir()
        os.chdir(self.layers.root)

    def base(self) -> str:
        """Store the base; its id."""
        staged = self.layers.stage()
        for number in range(self.files):
            place = staged.tree / f"d{number // 500}" / f"s{number % 500 // 50}"
            if number % 50 == 0:
                place.mkdir(parents=True)
            (place / f"f{number}").write_bytes(b"%d" % number * 200)
        seconds = timed(lambda: self.layers.commit(staged, {}, (), identity="base"))
        print(f"commit a base of {self.files} files: {seconds:.2f} s")
        return staged.id

    def mounted(self, stack: list[str]) -> None:
        """Mount a stack with a fresh upper."""
        mount("tmpfs", self.rw, "size=256m")
        for name in ("upper", "work", "root"):
            (self.rw / name).mkdir()
        lower = ":".join(f"layers/{layer}/tree" for layer in reversed(stack))
        options = f"lowerdir={lower},upperdir={self.rw}/upper,workdir={self.rw}/work,userxattr"
        mount("overlay", self.rw / "root", options)

    def unmounted(self) -> None:
        """Undo `mounted`."""
        unmount(self.rw / "root")
        unmount(self.rw)

    def step(self, stack: list[str], turn: int) -> tuple[str, dict[str, float]]:
        """What a typical step does: two new files, one changed, one removed, in folders of the base."""
        spent = {"mount": timed(lambda: self.mounted(stack))}
        root = self.rw / "root"
        others = self.files // 500 - 1
        folder, turns = 1 + turn % others, turn // others
        # Every layer has a part of d0, in which the look-ups are measured.
        (root / "d0" / f"new{turn}").write_text("x" * 3000)
        (root / f"d{folder}" / f"other{turn}").write_text("y" * 800)
        (root / f"d{folder}" / "s1" / f"f{folder * 500 + 50 + turns}").write_text("z" * 400)
        (root / f"d{folder}" / "s2" / f"f{folder * 500 + 100 + turns}").unlink()
        upper, lowers = self.rw / "upper", [self.layers.path(layer) for layer in stack]
        spent["changes_of"] = timed(lambda: changes_of(upper, lowers, self.layers.ids))
        changes = changes_of(upper, lowers, self.layers.ids)
        staged = self.layers.stage()
        spent["copy_upper"] = timed(lambda: self.layers.copy_upper(upper, staged))
        spent["commit"] = timed(lambda: self.layers.commit(staged, changes, stack))
        spent["unmount"] = timed(self.unmounted)
        return staged.id, spent

    def lookups(self, stack: list[str]) -> tuple[list[float], list[float]]:
        """Seconds of mounts, and of a stat of one base file each."""
        mounts, stats = [], []
        for _ in range(7):
            mounts.append(timed(lambda: self.mounted(stack)))
            root = self.rw / "root" / "d0"
            start = time.perf_counter()
            for number in range(400):
                os.stat(root / f"s{number // 50}" / f"f{number}", follow_symlinks=False)
            stats.append((time.perf_counter() - start) / 400)
            self.unmounted()
        return mounts, stats


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(Bench(Path(folder).resolve(), options.files))
        os.chdir("/")


def measure(bench: Bench) -> None:
    stack = [bench.base()]
    spent: dict[str, list[float]] = {}
    puts, gets = [], []
    for turn in range(max(DEPTHS) - 1):
        layer, step = bench.step(stack, turn)
        stack.append(layer)
        for name, seconds in step.items():
            spent.setdefault(name, []).append(seconds)
        state = digest_of("base", bench.layers.total(stack), ShellState())
        snapshot = Snapshot("b", tuple(stack), ShellState(), state)
        puts.append(timed(lambda turn=turn, snapshot=snapshot: bench.store.put(f"{turn}", snapshot)))  # type: ignore[misc]
    for name, times in spent.items():
        show(f"{name}, a step of 4 paths", times)
    show("put", puts)
    bench.store.get("0")
    for turn in range(len(puts)):
        gets.append(timed(lambda turn=turn: bench.store.get(f"{turn}")))  # type: ignore[misc]
    show("get, first time in this process", gets)
    show("get again", [timed(lambda turn=turn: bench.store.get(f"{turn}")) for turn in range(len(puts))])  # type: ignore[misc]
    deltas = sorted(bench.layers.manifest(layer).bytes for layer in stack[1:])  # type: ignore[union-attr]
    apparent = sum(path.stat().st_size for path in bench.layers.path(stack[1]).parent.glob("*.json"))
    print(f"bytes per step: {statistics.median(deltas):.0f} in files' blocks, {apparent} of JSON")
    for depth in DEPTHS:
        mounts, stats = bench.lookups(stack[:depth])
        show(f"mount at depth {depth}", mounts)
        show(f"  look-up at depth {depth}", stats)
    for count in (8, 32, 64):
        show(f"merge {count} layers", [timed(lambda count=count: merge_layers(bench.layers, stack, count))])  # type: ignore[misc]
    checked = [timed(lambda: bench.layers.damage(stack[0], full=False)) for _ in range(3)]
    show("quick check of the base, once per process", checked)
    seconds = timed(bench.store.verify)
    total = sum(bench.store.sizes().values())
    print(f"verify: {seconds:.2f} s for {total / 1e6:.0f} MB, {len(bench.layers.all())} layers, {len(puts)} snapshots")
    print(f"evict all: {timed(lambda: bench.store.evict(0, grace_s=0)):.2f} s")


if __name__ == "__main__":
    if not os.environ.get(INSIDE):
        private = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Ur", "-m"]
        os.execvpe(private[0], [*private, sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})
    main()
