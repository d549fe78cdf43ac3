"""Nothing survives a server: neither processes nor mounts nor control groups, however it ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("bubblewrap_server.py")


def processes_with(words: str) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line:
            found.append(int(place.parent.name))
    return found


def groups_of(pids: set[int]) -> list[Path]:
    return [path for pid in pids for path in Path("/sys/fs/cgroup").glob(f"**/pivotgym-{pid}")]


def wardens_of(server: int) -> set[int]:
    """The guardian, the warden and what it has forked."""
    return {pid for pid in processes_with(f"--server {server} ") if pid != os.getpid()}


def until(true: object) -> bool:
    """Ask for up to 10 s."""
    assert callable(true)
    for _ in range(1000):
        if true():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(params=["idle", "busy"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    mark = f"outliving-server-{os.getpid()}-{request.param}"
    line = [sys.executable, str(SCRIPT), str(tmp_path / "store"), mark, request.param]
    started = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    yield started, mark
    started.kill()
    started.wait()
    started.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_a_killed_server(server: tuple[subprocess.Popen[str], str], number: signal.Signals) -> None:
    process, mark = server
    wardens = wardens_of(process.pid)
    assert len(wardens) == 2
    assert processes_with(mark)
    process.send_signal(number)
    process.wait()
    assert until(lambda: not processes_with(f" {mark}") and not processes_with(mark))
    assert until(lambda: not wardens_of(process.pid))
    assert until(lambda: not groups_of(wardens))
    assert str(SCRIPT.parent) not in Path("/proc/self/mountinfo").read_text()


def test_nothing_survives_a_killed_guardian(server: tuple[subprocess.Popen[str], str]) -> None:
    process, mark = server
    os.kill(min(wardens_of(process.pid)), signal.SIGKILL)
    assert until(lambda: {process.pid} >= set(processes_with(mark)))
    assert until(lambda: not wardens_of(process.pid))


def test_mounts_are_never_the_hosts(server: tuple[subprocess.Popen[str], str]) -> None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    assert "sandbox" not in [line.split(" - ")[1].split()[1] for line in mounts]


def test_no_room_is_said_and_older_sandboxes_go_on(tmp_path: Path) -> None:
    line = [sys.executable, str(SCRIPT.with_name("crowded_server.py")), str(tmp_path / "store"), "60"]
    told = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert "no room for more" in told[0]
    assert told[1] == "goes on"
