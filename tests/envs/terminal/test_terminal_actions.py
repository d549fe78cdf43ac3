import pytest

from pivotgym.core.formats.terminus import Answer, Keystrokes, write_terminus
from pivotgym.core.messages import Action, ToolCall
from pivotgym.envs.terminal.actions import Claim, Command, Keys, Unusable, acts, requests


def call(name="bash", **arguments) -> Action:
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def test_a_call_of_a_shell_is_a_command():
    assert requests(call(command="ls")) == [Command("ls")]


def test_calls_stay_in_order():
    both = Action(tool_calls=(*call(command="ls").tool_calls, *call("submit").tool_calls))
    assert requests(both) == [Command("ls"), Claim()]


@pytest.mark.parametrize(
    ("arguments", "seconds"), [({"timeout": 5}, 5), ({"timeout_ms": 500}, 0.5), ({"timeout": -1}, None)]
)
def test_a_call_may_ask_for_another_time_limit(arguments, seconds):
    assert requests(call(command="ls", **arguments)) == [Command("ls", seconds)]


def test_a_terminus_answer_is_keys_and_a_claim():
    text = write_terminus(Answer((Keystrokes("ls\n", 0.5),), complete=True))
    assert requests(Action(content=text)) == [Keys((Keystrokes("ls\n", 0.5),)), Claim()]


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (call("weather", city="Bonn"), "no tool is called 'weather' here"),
        (call(command="a\0b"), "without NUL"),
        (call(command=" "), "expected a command as text"),
        (Action(tool_calls=(ToolCall(name="bash", arguments="ls"),)), "expected a JSON object"),
        (Action(content='{"commands": 3}'), "missing"),
    ],
)
def test_what_cannot_be_run_has_a_reason(action, reason):
    found = requests(action)
    assert isinstance(found, Unusable)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (call(command="ls"), True),
        (Action(content=write_terminus(Answer(()))), True),
        (Action(content='{"analysis": "", "commands": ['), True),
        (Action(content="All done."), False),
    ],
)
def test_what_acts_on_the_machine(action, expected):
    assert acts(action) == expected
