"""A process that may open few files opens sandboxes until there is no room: `python crowded_server.py STORE FILES`.

Prints what was said, and whether an older sandbox goes on.
"""

import resource
import sys
from pathlib import Path

from pivotgym.core.errors import Full
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

backend = BubblewrapBackend(SnapshotStore(LayerStore(Path(sys.argv[1]), own_ids())))
start = backend.base(Base(identity='{"test": "crowded"}'))
sandboxes = [backend.open(start)]
sandboxes[0].run("true")
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    while True:
        sandboxes.append(backend.open(start))
        sandboxes[-1].run("true")
except Full as error:
    print(error.message)
print(sandboxes[0].run("echo goes on").stdout.decode(), end="")
for sandbox in sandboxes:
    sandbox.close()
backend.close()
