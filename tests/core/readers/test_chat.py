import json
from pathlib import Path

import pytest

from pivotgym.core import Tool
from pivotgym.core.errors import BadLine
from pivotgym.core.jsonl import ReadReport
from pivotgym.core.readers.chat import read_chat, write_chat

SHARED = Path(__file__).parents[4] / "shared" / "data" / "trajectories"
FILES = sorted(path for path in SHARED.glob("*/*.jsonl") if path.name != "search_corpus.jsonl")
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}], "reward": 1, "x": 2}\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(ROW)
    return path


def test_row_without_id_is_named_after_its_place(file):
    (trajectory,) = read_chat(file, domain="tool_use")

    assert (trajectory.id, trajectory.outcome, trajectory.metadata) == ("runs/0", 1.0, {"x": 2})


def test_tools_are_handed_in_where_the_file_has_none(file):
    (trajectory,) = read_chat(file, domain="tool_use", tools=[Tool(name="ls")])

    assert trajectory.tools == [Tool(name="ls")]


def test_row_without_domain_is_a_bad_line(file):
    with pytest.raises(BadLine, match="expected a field `domain`"):
        list(read_chat(file))


def test_row_without_messages_is_a_bad_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "a"}\n')

    with pytest.raises(BadLine, match=r"line 1: .*expected a field `messages`"):
        list(read_chat(tmp_path / "a.jsonl", domain="d"))


def test_skip_reports_what_it_left_out(tmp_path):
    (tmp_path / "a.jsonl").write_text("{\n" + ROW)
    report = ReadReport()

    assert len(list(read_chat(tmp_path / "a.jsonl", domain="d", on_error="skip", report=report))) == 1
    assert report.skipped == 1


def test_tau_rows_tell_their_origin(tmp_path):
    (tmp_path / "a.jsonl").write_text(ROW.replace('"x": 2', '"env": "tau-bench/airline"'))

    (trajectory,) = read_chat(tmp_path / "a.jsonl", domain="tool_use")

    assert trajectory.origin.model_dump() == {"kind": "tau", "toolkit": "airline"}


@pytest.mark.skipif(not FILES, reason="the shared trajectories are not on this machine")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_real_file_reads_and_writes_without_loss(path, tmp_path):
    read = list(read_chat(path))

    write_chat(tmp_path / "again.jsonl", read)

    assert read
    assert list(read_chat(tmp_path / "again.jsonl")) == read


def test_tools_of_a_toolkit_lie_beside_the_file(tmp_path):
    (tmp_path / "airline_tools.json").write_text('[{"type": "function", "function": {"name": "fly"}}]')
    row = {"id": "a", "messages": []}
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(row | {"env": f"tau-bench/{toolkit}"}) + "\n" for toolkit in ("airline", "retail"))
    )

    airline, retail = read_chat(tmp_path / "a.jsonl", domain="tool_use")

    assert ([tool.name for tool in airline.tools], retail.tools) == (["fly"], [])


@pytest.mark.parametrize(
    ("row", "task"),
    [
        ({"env": "tau-bench/airline", "task_id": 3}, "tau-bench/airline/3"),
        ({"env": "tau-bench/retail"}, "a"),
        ({"env": "tau-bench/retail", "task": "own"}, "own"),
        ({}, None),
    ],
)
def test_runs_of_one_task_name_it(tmp_path, row, task):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "messages": []} | row))

    (trajectory,) = read_chat(tmp_path / "a.jsonl", domain="tool_use")

    assert trajectory.metadata.get("task") == task
