"""Time to reset, fork, run, read changes and save, over trees of several sizes at several turns.

    python benchmarks/sandbox.py [--files 100 4000 50000] [--turns 1 10 60] [--repeats 40] [--sessions 200]
                                 [--image python:3.11-slim-bookworm] [--store FOLDER]

Each turn changes one file and adds one, and is kept as a layer of its own. Reset = open the turn's snapshot and run a
first command (`true`); beside it in the same run: replaying the turns from the start, copying the tree, and, where an
engine and the image are there, `docker run` of the image with that tree. Times in milliseconds, p50 / p99, one session
at a time. Then many sessions at once: proportional memory of their processes, and whether each still answers.
"""

import argparse
import io
import os
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Base, Limits, ShellState, Snapshot
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

LIMITS = Limits()


def archive_of(files: int, place: Path) -> Path:
    """A tar archive of so many files of 200 bytes, 50 to a folder."""
    with tarfile.open(place, "w") as archive:
        for number in range(files):
            member = tarfile.TarInfo(f"d{number // 50:04}/f{number:05}")
            member.size = 200
            archive.addfile(member, io.BytesIO(f"{number:0200}".encode()))
    return place


def step(turn: int) -> str:
    return f"echo {turn} >> d0000/f00000; echo {turn} > new{turn}; export TURN={turn}"


def snapshots_of(backend: BubblewrapBackend, start: Snapshot, turns: list[int]) -> dict[int, Snapshot]:
    found, snapshot = {}, start
    for turn in range(1, max(turns) + 1):
        sandbox = backend.open(snapshot, limits=LIMITS)
        sandbox.run(step(turn))
        snapshot = backend.store.put(f"turn {start.digest} {turn}", sandbox.save(), turn=turn)
        sandbox.close()
        if turn in turns:
            found[turn] = snapshot
    return found


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def shown(times: list[float]) -> str:
    ordered = sorted(times)
    return f"{statistics.median(ordered):8.1f} /{ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]:8.1f}"


def session(backend: BubblewrapBackend, snapshot: Snapshot, times: dict[str, list[float]]) -> None:
    begun = time.perf_counter()
    sandbox = backend.open(snapshot, limits=LIMITS)
    sandbox.run("true")
    times["reset"].append(1000 * (time.perf_counter() - begun))
    times["command"].append(timed(lambda: sandbox.run("true")))
    sandbox.run("echo more > more")
    begun = time.perf_counter()
    copy = sandbox.fork()
    copy.run("true")
    times["fork"].append(1000 * (time.perf_counter() - begun))
    times["changes"].append(timed(sandbox.changes))
    times["save"].append(timed(sandbox.save))
    times["close"].append(timed(sandbox.close))
    copy.close()


def replayed(backend: BubblewrapBackend, start: Snapshot, turn: int) -> None:
    sandbox = backend.open(start, limits=LIMITS)
    for number in range(1, turn + 1):
        sandbox.run(step(number))
    sandbox.close()


def one_size(backend: BubblewrapBackend, files: int, given: argparse.Namespace, folder: Path) -> None:
    archive = archive_of(files, folder / f"{files}.tar")
    base = Base(f'{{"bench": {files}}}', archives=((archive, "/work"),), shell=ShellState(cwd="/work"))
    print(f"\n{files} files: base built in {timed(lambda: backend.base(base)):.0f} ms")
    start = backend.base(base)
    snapshots = snapshots_of(backend, start, given.turns)
    tree = folder / f"tree{files}"
    with tarfile.open(archive) as opened:
        opened.extractall(tree, filter="data")
    for turn, snapshot in snapshots.items():
        times: dict[str, list[float]] = {
            name: [] for name in ("reset", "command", "fork", "changes", "save", "close", "replay")
        }
        for _ in range(given.repeats):
            session(backend, snapshot, times)
        for _ in range(max(3, given.repeats // 10)):
            times["replay"].append(timed(lambda turn=turn: replayed(backend, start, turn)))
        print(f"  turn {turn}, {len(snapshot.layers)} layers")
        for name, values in times.items():
            print(f"    {name:8} {shown(values)}")
    copies = []
    for number in range(3):
        copies.append(timed(lambda number=number: shutil.copytree(tree, folder / f"copy{files}.{number}")))
        shutil.rmtree(folder / f"copy{files}.{number}")
    print(f"  copy     {shown(copies)}")
    container(tree, given.image, given.repeats)


def container(tree: Path, image: str, repeats: int) -> None:
    """`docker run` of an image with the tree in it."""
    built = subprocess.run(
        ["docker", "build", "-q", "-f", "-", str(tree)],
        input=f"FROM {image}\nCOPY . /work\n", text=True, capture_output=True, check=False,
    )  # fmt: skip
    if built.returncode:
        print(f"  docker   not measured: {built.stderr.strip().splitlines()[-1:]}")
        return
    line = ["docker", "run", "--rm", "--network", "none", built.stdout.strip(), "true"]
    times = [timed(lambda: subprocess.run(line, check=True)) for _ in range(max(5, repeats // 4))]
    print(f"  docker   {shown(times)}")
    subprocess.run(["docker", "rmi", built.stdout.strip()], capture_output=True, check=False)


def memory_kib(pids: list[int]) -> int:
    """Proportional set size of processes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):  # It has ended meanwhile.
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def many(backend: BubblewrapBackend, sessions: int) -> None:
    start = backend.base(Base('{"bench": "many"}', files={"/work/a": b"a\n"}, shell=ShellState(cwd="/work")))
    backend.open(start).close()
    before = set(descendants(os.getpid()))
    begun = time.perf_counter()
    sandboxes = [backend.open(start, limits=LIMITS) for _ in range(sessions)]
    for number, sandbox in enumerate(sandboxes):
        sandbox.run(f"echo {number} > mine")
    opened = time.perf_counter() - begun
    pids = [pid for pid in descendants(os.getpid()) if pid not in before]
    right = sum(sandbox.run("cat mine").stdout == f"{n}\n".encode() for n, sandbox in enumerate(sandboxes))
    each = memory_kib(pids) / sessions
    print(f"\n{sessions} sessions at once: opened in {opened:.1f} s, {right} answer rightly, {each:.0f} KiB each (PSS)")
    ended = timed(lambda: [sandbox.close() for sandbox in sandboxes])
    print(f"  closed in {ended / 1000:.1f} s, {len(set(descendants(os.getpid())) - before)} processes left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[100, 4000, 50000])
    parser.add_argument("--turns", type=int, nargs="+", default=[1, 10, 60])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--image", default="python:3.11-slim-bookworm")
    parser.add_argument("--store", type=Path, help="where the store and the trees go, a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.store) as folder:
        layers = LayerStore(Path(folder) / "store", own_ids())
        backend = BubblewrapBackend(SnapshotStore(layers))
        print(backend.capabilities())
        for files in given.files:
            one_size(backend, files, given, Path(folder))
        if given.sessions:
            many(backend, given.sessions)
        backend.close()
        layers.close()


if __name__ == "__main__":
    main()
