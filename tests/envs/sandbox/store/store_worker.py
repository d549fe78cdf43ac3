"""Processes that work on one store, for tests of what happens when they meet or are killed.

`store_worker.py build FOLDER COUNT`: processes that all want the same keys; prints how often each was built.
`store_worker.py kill FOLDER ROUNDS SEED`: a process puts, evicts and merges until it is killed, then the store is
cleaned and verified; prints one line of problems a round, and last how many snapshots were found again.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from pivotgym.envs.sandbox.contract import Change, Entry, ShellState, Snapshot
from pivotgym.envs.sandbox.store.changes import digest_of
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore


def opened(folder: Path, **settings: int) -> SnapshotStore:
    return SnapshotStore(LayerStore(folder, Ids(os.geteuid())), **settings)


def grow(store: SnapshotStore, below: tuple[str, ...], name: str) -> Snapshot:
    layers = store.layers
    staged = layers.stage()
    for number in range(3):
        (staged.tree / f"{name}.{number}").write_bytes(os.urandom(5000))
    changes = {f"/{name}.{number}": Change(None, Entry("file", size=5000)) for number in range(3)} if below else {}
    layer = layers.commit(staged, changes, below, identity="" if below else "base")
    stack = (*below, layer)
    return Snapshot("b", stack, ShellState(), digest_of("base", layers.total(stack), ShellState()))


def work(folder: Path, seed: int) -> None:
    """Build the same few trajectories again and again in a store that is too small for them."""
    store = opened(folder, max_bytes=200_000, max_layers=4)
    choose = random.Random(seed)
    while True:
        branch = choose.randrange(4)
        state = store.get_or_build(f"{branch}", lambda: grow(store, (), "base"))
        for turn in range(choose.randrange(10)):
            below = state.layers
            state = store.get_or_build(f"{branch}/{turn}", lambda b=below, t=turn: grow(store, b, f"t{t}"))
        store.evict(choose.choice([None, 0, 100_000]), grace_s=choose.choice([0, 600]))


def child(function, *arguments) -> int:
    pid = os.fork()
    if pid == 0:
        function(*arguments)
        os._exit(0)
    return pid


def kill(folder: Path, rounds: int, seed: int) -> None:
    choose = random.Random(seed)
    found = 0
    for number in range(rounds):
        pid = child(work, folder, seed + number)
        time.sleep(choose.uniform(0.005, 0.08))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        store = opened(folder)
        store.clean()
        left = os.listdir(folder / "tmp")
        held = [layer for layer in store.layers.all() if store.layers.locks.held(layer)]
        print([problem.what for problem in store.verify()] + left + held, flush=True)
        found += sum(store.get(node.key) is not None for node in store.nodes())
        store.layers.close()
    print(found)


def build(folder: Path, count: int) -> None:
    log = folder.with_suffix(".log")

    def want() -> None:
        store = opened(folder)

        def made(key: str) -> Snapshot:
            with log.open("a") as file:
                file.write(f"{key}\n")
            return grow(store, (), "base")

        for key in "abc":
            store.get_or_build(key, lambda key=key: made(key))

    for pid in [child(want) for _ in range(count)]:
        assert os.waitpid(pid, 0)[1] == 0
    print("".join(sorted(log.read_text().split())))


if __name__ == "__main__":
    {"kill": kill, "build": build}[sys.argv[1]](Path(sys.argv[2]), *map(int, sys.argv[3:]))
