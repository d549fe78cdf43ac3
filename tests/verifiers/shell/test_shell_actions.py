"""What an action asks of a terminal, and why it is invalid."""

from typing import Any

import pytest

from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.verifiers.shell.actions import Request, read_request


def call(name: str, /, **arguments: Any) -> Action:
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def tool(name: str, description: str = "", **properties: Any) -> Tool:
    return Tool(name=name, description=description, parameters={"type": "object", "properties": properties})


@pytest.mark.parametrize(
    "action",
    [
        call("bash", command="ls"),
        call("execute_bash", command="ls"),
        call("runCommand", cmd="ls"),
        call("functions.shell", script="ls"),
        call("shell", command=["bash", "-lc", "ls"]),
        call("bash", command="ls", timeout=5),
    ],
)
def test_shells_have_many_names(action: Action) -> None:
    request = read_request(action)
    assert isinstance(request, Request)
    assert request.commands == ("ls",)


def test_a_tool_that_speaks_of_a_shell_is_one() -> None:
    request = read_request(call("go", code="ls"), [tool("go", "Runs code in a bash session.", code={"type": "string"})])
    assert isinstance(request, Request)
    assert request.commands == ("ls",)


def test_an_editor_with_a_list_of_commands_is_no_shell() -> None:
    editor = tool("edit", "Edit files without the terminal.", command={"type": "string", "enum": ["view"]})
    request = read_request(call("edit", command="view"), [editor])
    assert isinstance(request, Request)
    assert not request.commands
    assert request.others


def test_a_list_of_words_is_quoted() -> None:
    request = read_request(call("shell", command=["ls", "a b"]))
    assert isinstance(request, Request)
    assert request.commands == ("ls 'a b'",)


def test_handing_in_an_answer_ends_the_task() -> None:
    request = read_request(call("submit", flag="x"))
    assert isinstance(request, Request)
    assert request.complete
    assert request.endings[0].arguments == {"flag": "x"}


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (
            Action(tool_calls=(ToolCall(name="bash", arguments="{"),)),
            "bash: expected a JSON object as arguments, got '{'",
        ),
        (call("bash"), "bash: expected a command as text in 'command', got nothing"),
        (call("bash", command=""), "bash: expected a command as text in 'command', got ''"),
        (call("bash", command=" \n"), "bash: expected a command as text in 'command'"),
        (call("bash", command=3), "bash: expected a command as text in 'command', got 3"),
        (call("python", code="1"), "no tool is called 'python'; the tools are ['bash']"),
        (Action(content=" "), "the action is empty: expected a call"),
    ],
)
def test_each_fault_has_its_reason(action: Action, reason: str) -> None:
    found = read_request(action, [tool("bash", command={"type": "string"})])
    assert isinstance(found, str)
    assert found.startswith(reason)


def test_a_call_where_keystrokes_are_expected_is_a_fault() -> None:
    expected = "expected a JSON object with analysis, plan and commands as text, got a call"
    assert read_request(call("bash", command="ls"), keys=True) == expected
