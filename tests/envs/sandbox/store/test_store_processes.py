"""A store that several processes use, some of which are killed."""

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("store_worker.py")


def run(*arguments: object) -> list[str]:
    done = subprocess.run([sys.executable, WORKER, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def killed(folder: Path, rounds: int, seed: int) -> tuple[list[str], int]:
    """What `verify` says after each kill, and how many states were found in the end."""
    *problems, found = run("kill", folder, rounds, seed)
    return problems, int(found)


def test_several_processes_build_a_state_once(tmp_path):
    assert run("build", tmp_path / "store", 6) == ["abc"]


def test_a_store_is_sound_after_its_process_was_killed(tmp_path):
    problems, found = killed(tmp_path / "store", 25, 1)
    assert problems == ["[]"] * 25
    assert found > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 15))
def test_a_store_is_sound_after_many_kills(tmp_path, seed):
    problems, found = killed(tmp_path / "store", 200, seed)
    assert problems == ["[]"] * 200
    assert found > 0
