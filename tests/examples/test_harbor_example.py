"""`examples/harbor` as its reader would try it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docker_engine import docker_backend

from pivotgym.cli.main import run_app
from pivotgym.envs.base import sources
from pivotgym.envs.terminal import domain, harbor
from pivotgym.servers.serve import BackgroundServer

__all__ = ["docker_backend"]
FOLDER = Path(__file__).resolve().parents[2] / "examples" / "harbor"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_SOURCE_HARBOR", str(FOLDER / "tasks"))
    sources.forget(harbor.SOURCE)


@pytest.mark.usefixtures("configured")
def test_its_task_is_one() -> None:
    (task,) = harbor.tasks()
    assert (task.id, harbor.refused()) == ("harbor/count-errors", {})
    assert "how many of its lines report an `ERROR`" in task.messages[1].text


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.usefixtures("configured", "docker_backend")
def test_the_solution_is_paid_and_doing_nothing_is_not() -> None:
    assert run_app(["tasks", "validate", "terminal", "--task", "harbor/", "--times", "1"]) == 0


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.usefixtures("configured", "docker_backend")
def test_it_is_played_end_to_end() -> None:
    with BackgroundServer(domain()) as server:
        env = {**os.environ, "PIVOTGYM_URL": server.url, "NO_PROXY": "127.0.0.1"}
        env.pop("PIVOTGYM_TOKEN", None)
        done = subprocess.run([sys.executable, FOLDER / "play.py"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line[-3:] in ("0.0", "1.0")] == [
        "solved: 1.0",
        "guessed: 0.0",
        "idle: 0.0",
    ]
    assert "08:00:01 INFO started" in done.stdout
