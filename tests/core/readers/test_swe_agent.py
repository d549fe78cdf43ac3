"""Runs of SWE-agent."""

import json

import pytest

from pivotgym.core.errors import BadLine, NotFound
from pivotgym.core.jsonl import ReadReport
from pivotgym.core.readers.swe_agent import from_traj, read_swe_agent
from pivotgym.core.trajectory import steps_of

SPOKEN = {
    "history": [
        {"role": "system", "content": "You fix issues.", "agent": "main"},
        {"role": "user", "content": "A demonstration.", "is_demo": True, "agent": "main"},
        {"role": "user", "content": [{"type": "text", "text": "Fix it."}], "agent": "main"},
        {"role": "assistant", "content": "Look.\n```\nopen a.py\n```", "thought": "Look.", "action": "open a.py\n"},
        {"role": "user", "content": "[File: a.py (1 lines total)]\n1:x", "message_type": "observation"},
        {"role": "assistant", "content": "Give up.", "thought": "Give up.", "action": ""},
    ],
    "info": {"exit_status": "submitted", "submission": "diff"},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "open", "arguments": '{"path": "a.py"}'}, "index": 0}
CALLED = {
    "history": [
        {"role": "system", "content": "You fix issues."},
        {"role": "user", "content": "Fix it."},
        {"role": "assistant", "content": "Look.", "thought": "Look.", "action": "open a.py", "tool_calls": [CALL]},
        {"role": "tool", "content": [{"type": "text", "text": "1:x"}], "tool_call_ids": ["c1"]},
        {"role": "assistant", "content": "Done.", "tool_calls": None},
    ]
}


def shape(trajectory):
    return [(message.role, message.text, len(message.tool_calls or [])) for message in trajectory.messages]


def test_a_run_of_text_is_calls_of_a_shell():
    trajectory = from_traj(SPOKEN, name="a__b-1")
    assert shape(trajectory) == [
        ("system", "You fix issues.", 0), ("user", "Fix it.", 0), ("assistant", "Look.", 1),
        ("tool", "[File: a.py (1 lines total)]\n1:x", 0), ("assistant", "Give up.", 0),
    ]  # fmt: skip
    step = next(iter(steps_of(trajectory.messages)))
    assert step.action.tool_calls[0].arguments == {"command": "open a.py"}
    assert step.observations == ("[File: a.py (1 lines total)]\n1:x",)
    assert [tool.name for tool in trajectory.tools] == ["bash"]


def test_what_the_run_says_of_itself_is_kept():
    trajectory = from_traj(SPOKEN, name="a__b-1")
    assert trajectory.id == trajectory.origin.get("instance_id") == "a__b-1"
    assert trajectory.metadata == {
        "harness": "swe_agent",
        "demonstrations": 1,
        "exit_status": "submitted",
        "submission": "diff",
    }


def test_a_run_with_function_calls_keeps_them():
    trajectory = from_traj(CALLED, name="a__b-1")
    assert shape(trajectory) == [
        ("system", "You fix issues.", 0), ("user", "Fix it.", 0), ("assistant", "Look.", 1), ("tool", "1:x", 0),
        ("assistant", "Done.", 0),
    ]  # fmt: skip
    assert trajectory.messages[2].tool_calls[0].arguments == {"path": "a.py"}
    assert trajectory.messages[3].tool_call_id == "c1"
    assert trajectory.tools == []


def test_all_runs_of_a_folder_are_read_by_name(tmp_path):
    for name, run in (("b", CALLED), ("a", SPOKEN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.traj").write_text(json.dumps(run))
    assert [trajectory.id for trajectory in read_swe_agent(tmp_path)] == ["a", "b"]
    assert [trajectory.id for trajectory in read_swe_agent(tmp_path / "b" / "b.traj")] == ["b"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no run of SWE-agent: JSONDecodeError"),
        ("{}", "expected a field `history` with a list"),
        ('{"history": []}', "expected answers of an agent in `history`, got none"),
        ('{"history": [{"role": "robot", "content": "x"}]}', "role: Input should be"),
    ],
)
def test_a_bad_file_is_named_with_its_reason(tmp_path, text, reason):
    (tmp_path / "a.traj").write_text(text)
    (tmp_path / "b.traj").write_text(json.dumps(CALLED))
    with pytest.raises(BadLine, match=r"a.traj, line 1: ") as error:
        list(read_swe_agent(tmp_path))
    assert reason in str(error.value)
    report = ReadReport()
    assert [trajectory.id for trajectory in read_swe_agent(tmp_path, on_error="skip", report=report)] == ["b"]
    assert (report.read, report.skipped) == (1, 1)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(NotFound, match=r"expected a .traj file or a folder of them"):
        list(read_swe_agent(tmp_path))
