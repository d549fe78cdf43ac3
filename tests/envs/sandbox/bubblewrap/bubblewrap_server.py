"""A process with sandboxes, to be killed: `python bubblewrap_server.py STORE MARK`. Prints `ready` once they live."""

import sys
import time
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

store, mark = Path(sys.argv[1]), sys.argv[2]
backend = BubblewrapBackend(SnapshotStore(LayerStore(store, own_ids())))
start = backend.base(Base(identity='{"test": "killed"}', files={"/x": b"x"}))
sandboxes = [backend.open(start) for _ in range(3)]
for sandbox in sandboxes:
    sandbox.run(f"(setsid bash -c 'trap \"\" TERM HUP INT; exec -a {mark} sleep 1000' &); echo y > /x")
print("ready", flush=True)
if sys.argv[3:] == ["busy"]:
    sandboxes[0].run(f"exec -a {mark} sleep 1000")
time.sleep(1000)
