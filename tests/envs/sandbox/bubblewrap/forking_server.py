"""A server that forks: `python forking_server.py STORE`. Prints what a sandbox of each of the two says."""

import os
import sys
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

backend = BubblewrapBackend(SnapshotStore(LayerStore(Path(sys.argv[1]), own_ids())))
start = backend.base(Base(identity='{"test": "forking"}'))
sandbox = backend.open(start)
sandbox.run("true")
child = os.fork()
if child == 0:
    own = backend.open(start)
    print(own.run("echo child").stdout.decode(), end="", flush=True)
    own.close()
    backend.close()
    sys.exit()
os.waitpid(child, 0)
print(sandbox.run("echo parent").stdout.decode(), end="", flush=True)
backend.close()
