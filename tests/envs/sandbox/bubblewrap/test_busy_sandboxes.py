"""Sandboxes whose processes go on changing files while they are looked at and saved."""

from collections.abc import Callable

import pytest

from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox
from pivotgym.envs.sandbox.store.changes import changes_of
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

WRITERS = {
    "grows": "while :; do echo $((n++)) >> grown; done",
    "is replaced": "while :; do echo $((n++)) > next; mv next replaced; done",
    "comes and goes": "while :; do mkdir -p d/e; echo $((n++)) > d/e/f; rm -r d; done",
    "becomes another kind": "while :; do rm -rf k; mkdir k; rmdir k; ln -s x k; rm k; mkfifo k; rm k; : > k; done",
    "becomes less": "while :; do head -c 300000 /dev/zero > cut; : > cut; done",
}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS.keys())
def busy(request: pytest.FixtureRequest, sandbox: BubblewrapSandbox) -> BubblewrapSandbox:
    sandbox.run(f"({request.param}) > /dev/null 2>&1 &")
    return sandbox


def test_a_saved_layer_is_what_its_changes_say(busy: BubblewrapSandbox, store: SnapshotStore) -> None:
    for _ in range(8):
        layers = busy.save().layers
        trees = [store.layers.path(layer) for layer in layers]
        if len(trees) > 1:
            there = changes_of(trees[-1], trees[:-1], store.layers.ids)
            assert there == store.layers.changes(layers[-1])


def test_it_is_looked_at_and_forked_all_the_while(
    busy: BubblewrapSandbox, opened: Callable[..., BubblewrapSandbox]
) -> None:
    for _ in range(4):
        busy.changes()
        fork = busy.fork()
        assert fork.run("echo ok").stdout == b"ok\n"
        fork.close()
        assert opened(busy.save()).run("echo ok").stdout == b"ok\n"
        busy.read("/work/k")
        busy.processes()
    assert busy.run("echo alive").stdout == b"alive\n"
