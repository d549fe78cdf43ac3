"""A warden that is killed takes its sandboxes with it, is said so, and another one takes its place."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.contract import Snapshot
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore


@pytest.fixture
def own(store: SnapshotStore, start: Snapshot) -> Iterator[BubblewrapBackend]:
    """A backend with a warden that no other test uses."""
    opened = BubblewrapBackend(store)
    yield opened
    opened.close()


def guardians() -> set[int]:
    """Our guardians, the children of this process that are wardens' parents."""
    found = Path("/proc/self/task").glob("*/children")
    children = {int(pid) for place in found for pid in place.read_text().split()}
    return {pid for pid in children if b"bubblewrap.warden" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def kill_warden(guardian: int) -> None:
    os.kill(int(Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()[0]), signal.SIGKILL)


def groups_of(guardian: int) -> list[str]:
    # `os.walk` goes on where others' groups vanish under it.
    return [name for _, folders, _ in os.walk("/sys/fs/cgroup") for name in folders if name == f"pivotgym-{guardian}"]


def test_the_next_open_works(own: BubblewrapBackend, start: Snapshot) -> None:
    before = guardians()
    sandbox = own.open(start)
    sandbox.run("true")
    [guardian] = guardians() - before
    kill_warden(guardian)
    with pytest.raises(WorldFailed, match="the warden is gone"):
        sandbox.changes()
    again = own.open(start)
    assert again.run("cat a.txt").stdout == b"one\n"
    sandbox.close()
    assert again.run("cat a.txt").stdout == b"one\n"
    assert guardian not in guardians()
    assert not groups_of(guardian)


def test_a_command_that_runs_is_an_error_and_no_result(own: BubblewrapBackend, start: Snapshot) -> None:
    before = guardians()
    sandbox = own.open(start)
    sandbox.run("true")
    [guardian] = guardians() - before
    timer = threading.Timer(0.3, kill_warden, (guardian,))
    timer.start()
    with pytest.raises(WorldFailed, match="the warden is gone"):
        sandbox.run("sleep 15")
    timer.join()
    sandbox.close()


def test_a_snapshot_outlives_the_warden(own: BubblewrapBackend, start: Snapshot) -> None:
    before = guardians()
    sandbox = own.open(start)
    sandbox.run("echo kept > new")
    saved = sandbox.save()
    [guardian] = guardians() - before
    kill_warden(guardian)
    with pytest.raises(WorldFailed):
        own.open(saved)
    assert own.open(saved).run("cat new").stdout == b"kept\n"
