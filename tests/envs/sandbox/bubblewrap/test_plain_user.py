"""The same tests as a plain user, who has user namespaces and nothing else."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PLAIN = 4242
"""An id that no one on the machine has, nor a range in /etc/subuid."""
TESTS = ("conftest.py", "bubblewrap_server.py", "test_bubblewrap_backend.py", "test_isolation.py")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir="/var/tmp"))
    made.chmod(0o755)
    for name in TESTS:
        shutil.copy(Path(__file__).with_name(name), made / name)
    (made / "own").mkdir()
    os.chown(made / "own", PLAIN, PLAIN)
    yield made
    shutil.rmtree(made)


def as_plain(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    line = ["setpriv", f"--reuid={PLAIN}", f"--regid={PLAIN}", "--clear-groups", "--", *command]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=300, check=False)


def interpreter(path: str) -> str:
    """A Python of this version that a plain user can run, with what is installed here."""
    minor = sys.version_info[1]
    # It must start itself again, as the backend does for the warden.
    check = "import pivotgym.envs, pytest, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    for name in (sys.executable, f"/usr/local/bin/python3.{minor}", f"/usr/bin/python3.{minor}"):
        if as_plain(name, "-c", check, PYTHONPATH=path).returncode == 0:
            return name
    pytest.skip("a plain user cannot run this Python, nor read what is installed in it")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become a plain user")
def test_everything_holds_for_a_plain_user(folder: Path) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry.endswith("-packages"))
    tests = [str(folder / name) for name in TESTS if name.startswith("test_")]
    ran = as_plain(
        interpreter(path), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/own/t", *tests,
        PYTHONPATH=path, HOME=str(folder / "own"), PYTHONDONTWRITEBYTECODE="1",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    assert " passed" in ran.stdout
