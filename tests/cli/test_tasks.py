"""`pivotgym tasks`, on the terminal's generated tasks."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from openai_server import OpenAIServer, said

from pivotgym.cli.main import run_app
from pivotgym.core.jsonl import read_records
from pivotgym.core.trajectory import Trajectory
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.sandbox.backends import close_all
from pivotgym.trainer.episodes import EpisodeRow


@pytest.fixture
def sandboxes(monkeypatch):
    store = Path(tempfile.mkdtemp(prefix="pivotgym-test-", dir="/var/tmp"))
    store.chmod(0o755)
    monkeypatch.setenv("PIVOTGYM_SNAPSHOTS", str(store / "snapshots"))
    close_all()
    reason = load_domain("terminal").ready()
    if reason is not None:
        pytest.skip(reason)
    yield
    close_all()
    shutil.rmtree(store, ignore_errors=True)


def test_list_shows_ids_and_what_is_asked(capsys):
    assert run_app(["tasks", "list", "terminal", "--task", "links/0"]) == 0
    assert capsys.readouterr().out.startswith("links/0  /opt/")


@pytest.mark.slow
def test_validate_plays_every_run(sandboxes, capsys, tmp_path):
    report = tmp_path / "report.json"
    assert (
        run_app(["tasks", "validate", "terminal", "--task", "schedules/0", "--times", "1", "--json", str(report)]) == 0
    )
    assert "1 of 1 tasks are as they must be" in capsys.readouterr().out
    (found,) = json.loads(report.read_text())
    assert {run["name"] for run in found["runs"]} >= {"gold", "nothing", "alternative", "cheat: every day"}


@pytest.mark.slow
def test_gold_writes_trajectories(sandboxes, capsys, tmp_path):
    out = tmp_path / "gold.jsonl"
    assert run_app(["tasks", "gold", "terminal", "--task", "schedules/1", "--out", str(out)]) == 0
    (found,) = read_records(out, Trajectory)
    assert (found.id, found.outcome, found.origin.kind) == ("schedules/1", 1.0, "sandbox")
    assert "mean outcome 1.000" in capsys.readouterr().out


@pytest.mark.slow
def test_a_policy_plays_tasks(sandboxes, capsys, tmp_path):
    out = tmp_path / "runs.jsonl"
    with OpenAIServer(lambda *_: said("Done.")) as server:
        policy = ["--engine", "openai", "--base-url", server.url, "--model", "m", "--max-steps", "2"]
        assert run_app(["tasks", "play", "terminal", "--limit", "2", "--out", str(out), *policy]) == 0
    rows = list(read_records(out, EpisodeRow))
    assert [(row.arm, row.outcome, row.end, row.steps) for row in rows] == [("base", 0.0, "ended", 1)] * 2
    assert "base: mean outcome 0.000 over 2 tasks" in " ".join(capsys.readouterr().out.split())


def test_an_unknown_task_is_bad_input(capsys):
    assert run_app(["tasks", "validate", "terminal", "--task", "nothing"]) == 3
    assert "no id of 'terminal' begins with 'nothing'" in capsys.readouterr().err


def test_a_domain_without_tasks_is_bad_input(capsys, monkeypatch):
    monkeypatch.setattr("pivotgym.envs.terminal.tasks.catalogue.ids", list)
    assert run_app(["tasks", "validate", "terminal"]) == 3
    assert "'terminal' has no tasks to validate" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["validate", "terminal"], ["gold", "terminal", "--out", "gold.jsonl"]])
def test_what_a_domain_lacks_is_said_before_anything_is_played(capsys, monkeypatch, tmp_path, command):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run_app(["tasks", *command]) == 3
    said = capsys.readouterr().err
    assert "domain 'terminal': bubblewrap (bwrap) is not installed: apt-get install bubblewrap" in said
