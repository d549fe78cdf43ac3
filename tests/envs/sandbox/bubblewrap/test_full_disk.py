"""A disk of ours that is full, or cannot be written, is an error that says so, and never what a command came to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore

SCRIPT = Path(__file__).with_name("small_disk_server.py")
MOUNTED = 'mount -t tmpfs -o "$3" none "$1" && shift 3 && exec "$@"'


def within(folder: Path, options: str, *command: str) -> list[str]:
    """What a command says where a small file system is mounted at a folder, for it alone."""
    line = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(folder), "-o", options, *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    return tmp_path


def test_a_full_disk_is_said(disk: Path) -> None:
    told = within(disk, "size=48m,mode=755", sys.executable, str(SCRIPT), str(disk / "store"))
    stored = f"WorldFailed: a state could not be stored in {disk}/store"
    full = "OSError: [Errno 28] No space left on device"
    room = "WorldFailed: sandbox: expected room for a file of {} MiB beside what was written"
    assert told[:5] == [
        "in memory, small save: done",
        "in memory, filling: done",
        f"in memory, big save: {stored}/memory: {full}",
        "in memory, after: done",
        f"in memory, base: {stored}/memory: {full}",
    ]
    assert told[5] == "on disk, small save: done"
    assert told[6].startswith(f"on disk, filling: {room.format(8)}")
    assert told[7] == f"on disk, big save: {stored}/disk: {full}"
    assert told[8] == "on disk, after: done"


def test_a_store_that_cannot_be_written_is_refused(disk: Path) -> None:
    store = disk / "store"
    LayerStore(store, own_ids()).close()
    program = (
        "import sys; from pathlib import Path; from pivotgym.core.errors import ConfigError\n"
        "from pivotgym.envs.sandbox.store.layers import LayerStore\n"
        "try: LayerStore(Path(sys.argv[1]))\n"
        "except ConfigError as error: print(error.message)"
    )
    line = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", line, "sh", str(store), sys.executable, program]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "cannot be used" in told
    assert "Read-only file system" in told


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a:b,c=d e", "back\\slash 'quoted\"", "naïve"])
def test_any_path_will_do_for_a_store(tmp_path: Path, name: str) -> None:
    for where in ("memory", "disk"):
        command = [sys.executable, str(SCRIPT.with_name("saving_server.py")), str(tmp_path / name / where), where]
        assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "kept\n"
