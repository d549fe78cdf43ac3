"""Reading Terminus answers: what is tolerated around the object, and the reason for each fault in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.formats.terminus import Answer, Keystrokes, read_terminus, speaks_terminus, write_terminus
from pivotgym.core.messages import Malformed

TWO = {"analysis": "a shell", "plan": "look", "commands": [{"keystrokes": "ls\n", "duration": 0.1}]}
ONE = {
    "state_analysis": "a shell",
    "explanation": "look",
    "commands": [{"keystrokes": "ls\n", "is_blocking": True, "timeout_sec": 5}],
    "is_task_complete": False,
}


def test_an_answer_of_the_newer_harness_is_read() -> None:
    answer = read_terminus(json.dumps(TWO))
    assert answer == Answer((Keystrokes("ls\n", 0.1),), False, "a shell", "look", "terminus_2")


def test_an_answer_of_the_older_harness_is_read() -> None:
    answer = read_terminus(json.dumps(ONE))
    assert answer == Answer((Keystrokes("ls\n", 5.0, True),), False, "a shell", "look", "terminus_1")


def test_keystrokes_without_a_duration_wait_a_second() -> None:
    answer = read_terminus(json.dumps({**TWO, "commands": [{"keystrokes": "ls\n"}], "task_complete": True}))
    assert isinstance(answer, Answer)
    assert answer.commands[0].wait_s == 1.0
    assert answer.complete


@pytest.mark.parametrize(
    "wrapping",
    ["{}", "Here it is:\n{}\nThat is all.", "```json\n{}\n```", "<think>{{not this}}</think>\n{}", "\n\n  {}  "],
)
def test_what_stands_around_the_object_is_passed_over(wrapping: str) -> None:
    assert speaks_terminus(wrapping.format(json.dumps(TWO)))


def _without(name: str, record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


def _command(**fields: Any) -> dict[str, Any]:
    return {**TWO, "commands": [fields]}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (_without("analysis", TWO), "the object: the field 'analysis' is missing"),
        (_without("commands", TWO), "the object: the field 'commands' is missing"),
        (_without("is_task_complete", ONE), "the object: the field 'is_task_complete' is missing"),
        ({**TWO, "note": 1}, "the object: no field is called 'note'"),
        ({**TWO, "plan": 3}, "plan: expected a string, got 3"),
        ({**TWO, "task_complete": "true"}, 'task_complete: expected true or false, got "true"'),
        ({**TWO, "commands": "ls"}, 'commands: expected a list, got "ls"'),
        ({**TWO, "commands": ["ls"]}, 'commands[0]: expected an object with keystrokes, got "ls"'),
        (_command(duration=1), "commands[0]: the field 'keystrokes' is missing"),
        (_command(keystrokes="ls\n", wait=1), "commands[0]: no field is called 'wait'"),
        (_command(keystrokes=["ls"]), "commands[0].keystrokes: expected a string"),
        (_command(keystrokes="ls\n", duration="1"), "commands[0].duration: expected a number of at least 0"),
        (_command(keystrokes="ls\n", duration=True), "commands[0].duration: expected a number of at least 0"),
        (_command(keystrokes="ls\n", duration=-1), "commands[0].duration: expected a number of at least 0"),
        (_command(keystrokes="ls\n", duration=float("nan")), "commands[0].duration: expected a number of at least 0"),
        (_command(keystrokes="ls\n", duration=10**400), "commands[0].duration: expected a number of at least 0"),
        ({**ONE, "commands": [{"keystrokes": "ls\n"}]}, "commands[0]: the field 'is_blocking' is missing"),
    ],
)
def test_each_fault_has_its_reason(value: dict[str, Any], reason: str) -> None:
    read = read_terminus(json.dumps(value))
    assert isinstance(read, Malformed)
    assert read.reason.startswith(reason)


@pytest.mark.parametrize("text", ["", "ls -la", '{"analysis": "cut', "{" * 100_000])
def test_text_without_a_whole_object_is_malformed(text: str) -> None:
    read = read_terminus(text)
    assert isinstance(read, Malformed)
    assert read.reason.startswith("expected a JSON object with analysis, plan and commands")


def test_the_expected_harness_decides_where_it_is_known() -> None:
    assert isinstance(read_terminus(json.dumps(ONE), "terminus_2"), Malformed)


keystrokes = st.builds(Keystrokes, st.text(), st.floats(0, 1e6))
blocking = st.builds(Keystrokes, st.text(), st.floats(0, 1e6), st.booleans())
answers = st.one_of(
    st.builds(Answer, st.lists(keystrokes).map(tuple), st.booleans(), st.text(), st.text(), st.just("terminus_2")),
    st.builds(Answer, st.lists(blocking).map(tuple), st.booleans(), st.text(), st.text(), st.just("terminus_1")),
)


@given(answers)
def test_what_is_written_is_read_again(answer: Answer) -> None:
    assert read_terminus(write_terminus(answer)) == answer


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    assert isinstance(read_terminus(text), Answer | Malformed)
