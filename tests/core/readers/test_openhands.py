"""Runs of OpenHands, in both forms of its events."""

import json

import pytest

from pivotgym.core.errors import BadLine
from pivotgym.core.jsonl import ReadReport
from pivotgym.core.readers.openhands import from_openhands_row, read_openhands
from pivotgym.core.trajectory import steps_of

BASH = {"type": "function", "function": {"name": "execute_bash", "parameters": {"type": "object", "properties": {}}}}


def called(identity, command, response="r1"):
    function = {"name": "execute_bash", "arguments": json.dumps({"command": command})}
    message = {"content": "Look.", "tool_calls": [{"id": identity, "type": "function", "function": function}]}
    metadata = {"tool_call_id": identity, "function_name": "execute_bash"}
    return {**metadata, "model_response": {"id": response, "choices": [{"message": message}]}}


def older():
    return [
        {"id": 0, "source": "agent", "action": "system", "args": {"content": "You fix issues.", "tools": [BASH]}},
        {"id": 1, "source": "user", "action": "message", "args": {"content": "Fix it."}},
        {"id": 2, "source": "user", "action": "recall", "args": {"query": "Fix it."}},
        {"id": 3, "source": "environment", "observation": "recall", "content": "Added workspace context"},
        {
            "id": 4,
            "source": "agent",
            "action": "run",
            "args": {"command": "ls"},
            "tool_call_metadata": called("c1", "ls"),
        },
        {"id": 5, "source": "agent", "observation": "run", "content": "a.py", "tool_call_metadata": called("c1", "ls")},
        {"id": 6, "source": "environment", "observation": "agent_state_changed", "content": ""},
        {"id": 7, "source": "agent", "action": "message", "args": {"content": "Done."}},
    ]


def newer():
    text = [{"type": "text", "text": "Fix it."}]
    action = {"kind": "TerminalAction", "command": "ls"}
    call = {"id": "c1", "name": "terminal", "arguments": '{"command": "ls"}'}
    observation = {"kind": "TerminalObservation", "content": [{"type": "text", "text": "a.py"}]}
    second = {"tool_name": "think", "action": {"kind": "ThinkAction", "thought": "hm"}, "tool_call_id": "c2"}
    return [
        {"kind": "SystemPromptEvent", "system_prompt": {"text": "You fix issues."}, "tools": [BASH, {"title": "x"}]},
        {"kind": "MessageEvent", "source": "user", "llm_message": {"role": "user", "content": text}},
        {"kind": "ActionEvent", "source": "agent", "thought": [{"text": "Look."}], "action": action, "tool_call": call,
         "tool_name": "terminal", "tool_call_id": "c1", "llm_response_id": "r1", "reasoning_content": "deep"},
        {"kind": "ActionEvent", "source": "agent", "llm_response_id": "r1", **second},
        {"kind": "ObservationEvent", "tool_call_id": "c1", "observation": observation},
        {"kind": "AgentErrorEvent", "tool_call_id": "c2", "error": "no thinking"},
        {"kind": "ConversationStateUpdateEvent"},
        {"kind": "MessageEvent", "source": "agent", "llm_message": {"content": "Done."}},
    ]  # fmt: skip


def shape(trajectory):
    return [(message.role, message.text, len(message.tool_calls or [])) for message in trajectory.messages]


def test_events_of_the_older_form():
    trajectory = from_openhands_row({"instance_id": "a__b-1", "history": older()}, name="x")
    assert shape(trajectory) == [
        ("system", "You fix issues.", 0), ("user", "Fix it.", 0), ("assistant", "Look.", 1), ("tool", "a.py", 0),
        ("assistant", "Done.", 0),
    ]  # fmt: skip
    assert [tool.name for tool in trajectory.tools] == ["execute_bash"]
    assert (trajectory.id, trajectory.domain, trajectory.metadata["harness"]) == ("a__b-1", "swe", "openhands")
    assert trajectory.origin.get("instance_id") == "a__b-1"
    step = next(iter(steps_of(trajectory.messages)))
    assert step.action.tool_calls[0].arguments == {"command": "ls"}
    assert step.observations == ("a.py",)


def test_pairs_of_events_are_read_like_a_list():
    events = older()
    pairs = [[events[0]], [events[1]], [events[4], events[5]], [events[7]]]
    one = from_openhands_row({"history": pairs}, name="x")
    assert shape(one) == shape(from_openhands_row({"history": events}, name="x"))


def test_several_actions_of_one_answer_are_one_message():
    events = older()
    both = called("c1", "ls")
    both["model_response"]["choices"][0]["message"]["tool_calls"] *= 2
    for place in (4, 5):
        events[place]["tool_call_metadata"] = both
    events.insert(5, {**events[4], "id": 9})
    trajectory = from_openhands_row({"history": events}, name="x")
    assert shape(trajectory)[2:4] == [("assistant", "Look.", 2), ("tool", "a.py", 0)]


def test_models_without_function_calls():
    events = [
        {"source": "agent", "action": "run", "args": {"command": "ls", "thought": "Look."}},
        {"source": "agent", "observation": "run", "content": "a.py"},
        {"source": "agent", "action": "finish", "args": {"final_thought": "Done."}},
    ]
    trajectory = from_openhands_row({"history": events}, name="x")
    assert shape(trajectory) == [("assistant", "Look.", 1), ("tool", "a.py", 0), ("assistant", "", 1)]
    calls = [message.tool_calls[0] for message in trajectory.messages if message.tool_calls]
    assert [(call.name, call.arguments) for call in calls] == [
        ("execute_bash", {"command": "ls"}),
        ("finish", {"message": "Done."}),
    ]


def test_events_of_the_newer_form():
    trajectory = from_openhands_row({"instance_id": "a__b-1", "history": newer()}, name="x")
    assert shape(trajectory) == [
        ("system", "You fix issues.", 0), ("user", "Fix it.", 0), ("assistant", "Look.", 2), ("tool", "a.py", 0),
        ("tool", "no thinking", 0), ("assistant", "Done.", 0),
    ]  # fmt: skip
    first, second = trajectory.messages[2].tool_calls
    assert (first.name, first.arguments, second.arguments) == ("terminal", {"command": "ls"}, {"thought": "hm"})
    assert trajectory.messages[2].reasoning == "deep"


def test_what_a_row_says_of_its_instance_and_its_result_is_kept():
    row = {
        "instance_id": "a__b-1",
        "instance": {"repo": "a/b", "base_commit": "abc"},
        "history": older(),
        "test_result": {"git_patch": "diff", "report": {"resolved": True}},
        "metadata": {"agent_class": "CodeActAgent"},
    }
    trajectory = from_openhands_row(row, name="x")
    assert (trajectory.origin.get("repo"), trajectory.origin.get("commit")) == ("a/b", "abc")
    assert trajectory.outcome == 1.0
    assert trajectory.metadata["git_patch"] == "diff"
    assert trajectory.metadata["metadata"] == {"agent_class": "CodeActAgent"}


def test_rows_of_chat_messages_are_read_as_such():
    row = {"instance_id": "a__b-1", "messages": [{"role": "user", "content": "Fix it."}]}
    assert from_openhands_row(row, name="x").metadata["harness"] == "openhands"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "expected a field `history` with events, or `messages`"),
        ({"history": older()[:2]}, "expected events of an agent, got none"),
        ({"history": [{"source": "agent", "action": "edit", "args": {}}]}, "event 0: expected `tool_call_metadata`"),
        ({"history": [{"kind": "ActionEvent", "source": "agent"}]}, "tool_name"),
    ],
)
def test_a_bad_row_is_named_with_its_reason(tmp_path, row, reason):
    file = tmp_path / "output.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps({"history": older()}) + "\n")
    with pytest.raises(BadLine, match=r"output.jsonl, line 1: ") as error:
        list(read_openhands(file))
    assert reason in str(error.value)
    report = ReadReport()
    assert len(list(read_openhands(file, on_error="skip", report=report))) == 1
    assert (report.read, report.skipped) == (1, 1)
