"""Sandboxes whose writes lie on disk, for kernels on which an overlay cannot write to memory."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pivotgym.core.errors import WorldFailed, WrongState
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox
from pivotgym.envs.sandbox.contract import Limits, Snapshot
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore


@pytest.fixture(scope="module")
def on_disk(store: SnapshotStore) -> Iterator[BubblewrapBackend]:
    opened = BubblewrapBackend(store, on_disk=True)
    yield opened
    opened.close()


@pytest.fixture
def sandbox(on_disk: BubblewrapBackend, start: Snapshot) -> Iterator[BubblewrapSandbox]:
    opened = on_disk.open(start, limits=replace(Limits(), disk_mb=20, files=200, wall_s=20))
    yield opened
    opened.close()


def test_it_says_that_disk_is_watched(on_disk: BubblewrapBackend) -> None:
    assert on_disk.capabilities().disk == "watched"


def test_changes_snapshots_and_forks_work(
    on_disk: BubblewrapBackend, sandbox: BubblewrapSandbox, start: Snapshot
) -> None:
    sandbox.run("rm -r deep; mkdir deep; echo x > deep/n")
    copy, later = sandbox.fork(), on_disk.open(sandbox.save())
    assert {one.run("ls deep; cat deep/n").stdout for one in (sandbox, copy, later)} == {b"n\nx\n"}
    copy.close()
    later.close()


@pytest.mark.parametrize("command", ["head -c 50M /dev/zero > big", "for i in {1..300}; do : > n$i; done"])
def test_writing_too_much_ends_the_command(sandbox: BubblewrapSandbox, command: str) -> None:
    ran = sandbox.run(f"{command}; sleep 15")
    assert (ran.exit, ran.ended) == (None, "disk")
    assert sandbox.run("rm -f big n*; echo again").stdout == b"again\n"


def test_another_servers_start_leaves_it_alone(sandbox: BubblewrapSandbox, store: SnapshotStore) -> None:
    store.clean()
    assert sandbox.run("echo x > x; cat x").stdout == b"x\n"


def test_a_closed_sandbox_leaves_nothing_on_disk(sandbox: BubblewrapSandbox, store: SnapshotStore) -> None:
    sandbox.run("echo x > x")
    assert list((Path(store.layers.root) / "tmp").iterdir())
    sandbox.close()
    assert not list((Path(store.layers.root) / "tmp").iterdir())


@pytest.mark.parametrize("delay_ms", [0, 3, 8])
@pytest.mark.parametrize("take", ["save", "fork"])
def test_one_that_is_closed_meanwhile_is_copied_whole_or_not_at_all(
    on_disk: BubblewrapBackend, start: Snapshot, take: str, delay_ms: int
) -> None:
    sandbox = on_disk.open(start, limits=Limits())
    sandbox.run("seq 1 50 | xargs touch")
    timer = threading.Timer(delay_ms / 1000, sandbox.close)
    timer.start()
    with suppress(WorldFailed, WrongState):
        taken = getattr(sandbox, take)()
        copy = taken if isinstance(taken, BubblewrapSandbox) else on_disk.open(taken)
        assert copy.run("ls | wc -l").stdout == b"52\n"
        copy.close()
    timer.join()
