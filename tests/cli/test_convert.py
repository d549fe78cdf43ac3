import json

import pytest

from pivotgym.cli.main import run_app
from pivotgym.core.jsonl import read_records
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import Pivot

ROW = {
    "trajectory_id": 5,
    "responses_create_params": {"input": [{"role": "user", "content": "Hi"}], "tools": []},
    "expected_action": {"type": "message", "content": "Hello"},
    "pass_rate": 0.25,
    "scenario": None,
}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    return path


def test_rows_become_pivots_and_rows_again(rows, tmp_path, capsys):
    pivots, again = tmp_path / "pivots.jsonl", tmp_path / "again.jsonl"

    assert run_app(["convert", str(rows), "--out", str(pivots)]) == 0
    assert run_app(["convert", str(pivots), "--out", str(again), "--to", "nemo_gym"]) == 0

    assert [pivot.id for pivot in read_records(pivots, Pivot)] == ["5:0"]
    assert json.loads(again.read_text()) == ROW
    assert "1 pivots in" in capsys.readouterr().out


def test_the_domain_can_be_named(rows, tmp_path):
    assert run_app(["convert", str(rows), "--out", str(tmp_path / "p.jsonl"), "--domain", "mine"]) == 0
    assert next(iter(read_records(tmp_path / "p.jsonl", Pivot))).domain == "mine"


def test_bad_rows_can_be_skipped(rows, tmp_path, capsys):
    rows.write_text(rows.read_text() + '{"responses_create_params": {}}\n')

    assert run_app(["convert", str(rows), "--out", str(tmp_path / "p.jsonl"), "--on-error", "skip"]) == 0
    assert "skipped 1 bad lines" in capsys.readouterr().out


def test_another_shape_is_refused(rows, tmp_path, capsys):
    assert run_app(["convert", str(rows), "--out", str(tmp_path / "p.jsonl"), "--to", "parquet"]) == 3
    assert "to: expected 'pivots' or 'nemo_gym', got 'parquet'" in capsys.readouterr().err


def test_runs_of_a_harness_become_trajectories(tmp_path):
    call = {"id": "c", "type": "function", "function": {"name": "open", "arguments": '{"path": "a.py"}'}}
    answer = {"role": "assistant", "content": "Look.", "thought": "Look.", "action": "open a.py", "tool_calls": [call]}
    (tmp_path / "a__b-1.traj").write_text(json.dumps({"history": [{"role": "user", "content": "Fix it."}, answer]}))
    out = tmp_path / "runs.jsonl"
    assert run_app(["convert", str(tmp_path / "a__b-1.traj"), "--from", "swe_agent", "--out", str(out)]) == 0
    (run,) = read_chat(out)
    assert (run.domain, run.origin.get("harness"), len(run.turns())) == ("swe", "swe_agent", 1)


def test_a_harness_that_is_not_known(rows, tmp_path, capsys):
    assert run_app(["convert", str(rows), "--from", "nobody", "--out", str(tmp_path / "p.jsonl")]) == 3
    assert "expected 'nemo_gym', 'openhands' or 'swe_agent'" in capsys.readouterr().err
