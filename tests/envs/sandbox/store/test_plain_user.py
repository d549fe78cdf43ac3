"""Files that shut their owner out, for a user who is not root: they are read and removed in a user namespace."""

import gc
import os
import sys

import pytest

from pivotgym.envs.sandbox.contract import ShellState, Snapshot
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store import namespace
from pivotgym.envs.sandbox.store.changes import digest_of
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

pytestmark = pytest.mark.skipif(not namespace.helps(), reason="root has all rights, or there are no user namespaces")

MAKE = """
import sys
from pivotgym.envs.sandbox.contract import Change, Entry
from pivotgym.envs.sandbox.store.layers import LayerStore
layers, stack = LayerStore(sys.argv[1]), []
for number in range(4):
    staged = layers.stage()
    folder = staged.tree / f"folder{number}"
    folder.mkdir()
    (folder / "file").write_text("1")
    (folder / "file").chmod(0)
    folder.chmod(0)
    changes = {f"/folder{number}": Change(None, Entry("dir"))} if stack else {}
    stack.append(layers.commit(staged, changes, stack, identity="" if stack else "base"))
print(*stack)
"""


@pytest.fixture
def store(tmp_path):
    """A store with a stack of four layers as the sandboxes' root made them, merged down to three."""
    layers = LayerStore(tmp_path / "store", own_ids())
    stack = tuple(namespace.run(sys.executable, "-c", MAKE, str(layers.root)).stdout.split())
    store = SnapshotStore(layers, max_layers=3)
    state = digest_of("base", layers.total(stack), ShellState())
    merged = store.put("key", Snapshot("b", stack, ShellState(), state))
    assert len(merged.layers) == 3
    return store


def test_they_are_merged_and_verified(store):
    assert store.verify() == []


def test_damage_of_them_is_found(store):
    layer = store.nodes()[0].snapshot.layers[0]
    namespace.run("sh", "-c", f"for file in {store.layers.path(layer)}/folder*/file; do echo 2 > $file; done")
    assert {problem.kind for problem in store.verify()} == {"layer", "node"}


def test_they_are_removed(store):
    gc.collect()
    store.evict(0, grace_s=0)
    assert (store.layers.all(), os.listdir(store.layers.root / "tmp")) == ([], [])
