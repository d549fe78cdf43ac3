"""Sandboxes over a store on a disk of 48 MiB: `python small_disk_server.py STORE`. Prints what each step came to."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from pivotgym.core.errors import PivotGymError
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Base, Limits
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

root = Path(sys.argv[1])
MIB = 1 << 20


def tell(step: str, does: Callable[[], object]) -> None:
    try:
        does()
        print(f"{step}: done")
    except PivotGymError as error:
        print(f"{step}: {type(error).__name__}: {error.message}")


def big(seed: int) -> Base:
    return Base(identity=f'{{"seed": {seed}}}', files={"/big": os.urandom(20 * MIB)})


def steps(where: str) -> None:
    store = root / where
    backend = BubblewrapBackend(SnapshotStore(LayerStore(store, own_ids())), on_disk=where == "disk")
    start = backend.base(Base(identity="{}"))
    sandbox = backend.open(start, limits=Limits(file_mb=8, disk_mb=64))
    place = "in memory" if where == "memory" else "on disk"
    tell(f"{place}, small save", lambda: (sandbox.run("echo x > x"), sandbox.save()))
    tell(f"{place}, filling", lambda: sandbox.run("for i in {1..7}; do head -c 8M /dev/urandom > $i; done"))
    tell(f"{place}, big save", sandbox.save)
    tell(f"{place}, after", lambda: (sandbox.run("rm [1-7]"), sandbox.save()))
    if where == "memory":
        tell(f"{place}, base", lambda: [backend.base(big(seed)) for seed in range(3)])
    backend.close()
    shutil.rmtree(store)


steps("memory")
steps("disk")
