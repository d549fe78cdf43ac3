"""A world of one JSON value: arguments are checked, mistakes are failed calls, copies and digests come alone."""

from __future__ import annotations

from typing import Any

import pytest

from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.plain import PlainWorld, ToolError

PUSH = {"type": "object", "properties": {"value": {"type": "integer", "minimum": 1}}, "required": ["value"]}


class Stack(PlainWorld):
    tools = (Tool(name="push", parameters=PUSH), Tool(name="pop"), Tool(name="all"))

    def start(self, origin: Origin, seed: int) -> None:
        self.state = {"values": [seed]}

    def call(self, name: str, given: dict[str, Any]) -> Any:
        if name == "push":
            self.state["values"].append(given["value"])
        elif name == "pop":
            if not self.state["values"]:
                raise ToolError("the stack is empty")
            return f"popped {self.state['values'].pop()}"
        return self.state


@pytest.fixture
def stack() -> Stack:
    made = Stack()
    made.start(Origin(kind="stack"), 7)
    return made


def action(*calls: tuple[str, Any]) -> Action:
    return Action(tool_calls=tuple(ToolCall(name=name, arguments=given) for name, given in calls))


def test_calls_are_carried_out_in_their_order(stack: Stack) -> None:
    effects = stack.run(action(("push", {"value": 2}), ("pop", {}), ("all", {})))
    assert effects.observations == ['{"values": [7, 2]}', "popped 2", '{"values": [7]}']
    assert effects.failed == [False, False, False]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("push", {"value": 0}, "error: value: 0 is less than the minimum of 1"),
        ("push", {}, "error: arguments: 'value' is a required property"),
        ("push", {"value": True}, "error: value: True is not of type 'integer'"),
        ("push", '{"value": ', "error: the arguments are no JSON object"),
        ("fly", {}, "error: no tool is called 'fly'"),
    ],
)
def test_a_call_that_does_not_fit_fails_and_changes_nothing(stack: Stack, name: str, given: Any, said: str) -> None:
    before = stack.digest()
    effects = stack.run(action((name, given)))
    assert (effects.observations, effects.failed) == ([said], [True])
    assert stack.digest() == before


def test_a_mistake_of_the_policy_is_told(stack: Stack) -> None:
    effects = stack.run(action(("pop", {}), ("pop", {})))
    assert (effects.observations[1], effects.failed) == ("error: the stack is empty", [False, True])


def test_a_fork_has_a_state_of_its_own(stack: Stack) -> None:
    fork = stack.fork()
    assert fork.digest() == stack.digest()
    fork.run(action(("push", {"value": 3})))
    assert fork.digest() != stack.digest()
    assert stack.state == {"values": [7]}


def test_a_message_has_no_effects(stack: Stack) -> None:
    assert stack.run(Action(content="hello")).observations == []
