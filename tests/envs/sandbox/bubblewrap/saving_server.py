"""Saves a sandbox and opens what it saved: `python saving_server.py STORE memory|disk`. Prints what is found there."""

import sys
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

backend = BubblewrapBackend(SnapshotStore(LayerStore(Path(sys.argv[1]), own_ids())), on_disk=sys.argv[2] == "disk")
sandbox = backend.open(backend.base(Base(identity='{"test": "saving"}')))
sandbox.run("echo kept > /new")
print(backend.open(sandbox.fork().save()).run("cat /new").stdout.decode(), end="")
backend.close()
