"""Files that are hard to look at: some that change meanwhile, odd names, too much of them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox
from pivotgym.envs.sandbox.contract import Limits
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


@pytest.fixture
def roomy(opened: Callable[..., BubblewrapSandbox]) -> BubblewrapSandbox:
    return opened(limits=Limits(files=20_000))


def nest(sandbox: BubblewrapSandbox, name: str, depth: int) -> None:
    if not Path("/usr/bin/python3").exists():
        pytest.skip("this machine's own tools have no python3, and a shell takes minutes for it")
    program = f"import os\nfor _ in range({depth}): os.mkdir('{name}'); os.chdir('{name}')"
    assert sandbox.run(f'/usr/bin/python3 -c "{program}"').exit == 0


def test_folders_in_folders_are_saved(roomy: BubblewrapSandbox, opened: Callable[..., BubblewrapSandbox]) -> None:
    nest(roomy, "d", 1500)
    deepest = max(roomy.changes(), key=len)
    assert deepest == "/work" + "/d" * 1500
    assert opened(roomy.save()).changes() == {}


def test_folders_nested_beyond_measure_are_refused(roomy: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    nest(roomy, "n" * 200, 900)
    for look in (roomy.changes, roomy.save, roomy.fork):
        with pytest.raises(WorldFailed, match="its paths take more than 64 MiB in all: folders nest too deep"):
            look()


def test_holes_beyond_measure_are_refused(roomy: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    roomy.run("for i in {1..9}; do truncate -s 256M $i; done")
    for look in (roomy.changes, roomy.save, roomy.fork):
        with pytest.raises(WorldFailed, match="its files have more than 2 GiB of holes in all"):
            look()


def test_names_of_any_bytes_are_told_and_saved(
    sandbox: BubblewrapSandbox, opened: Callable[..., BubblewrapSandbox]
) -> None:
    names = [b"a\nb", b"\xff\xfe", b"\x1b[31m", b"\\", b"-rf", b" ", b"\xed\xa0\x80", b"n" * 255, b"\xc3\xa9\"'"]
    for name in names:
        sandbox.write("/work/" + os.fsdecode(name), name)
    saved = sandbox.save()
    assert [os.fsencode(path) for path in sandbox.changes()] == sorted(b"/work/" + name for name in names)
    assert [opened(saved).read("/work/" + os.fsdecode(name)) for name in names] == names
