"""Numbers inside texts are told apart where no accepted answers say otherwise."""

import pytest

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.verifiers.reads import facts_of
from pivotgym.verifiers.tool_calls import ToolCallComparator

MOVE = Tool(name="move", parameters={"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]})


def reward(expert: str, candidate: str, accepted: object = None) -> float:
    def move(to: str) -> Action:
        return Action(tool_calls=(ToolCall(name="move", arguments={"to": to}),))

    pivot = Pivot(
        id="t:0",
        domain="toy",
        messages=[Message(role="user", content="Go.")],
        tools=[MOVE],
        reference=move(expert),
        origin=Origin(kind="functions"),
        accepted=accepted,
    )
    return ToolCallComparator().by_rule(pivot, move(candidate)).reward


def test_spelling_of_text_is_free() -> None:
    assert reward("April 1, 2024", "april 1 2024") == 1.0


@pytest.mark.parametrize(("expert", "candidate"), [("1.5 km", "15 km"), ("flat 1/2", "flat 12"), ("3-4", "34")])
def test_numbers_in_text_are_not_joined(expert: str, candidate: str) -> None:
    assert reward(expert, candidate) == 0.0


def test_accepted_answers_follow_the_leaderboards_checker() -> None:
    assert reward("1.5 km", "15 km", accepted=[{"move": {"to": ["1.5 km"]}}]) == 1.0


def test_number_forms_in_results_are_equal() -> None:
    assert facts_of('{"a": 1.0}') == facts_of('{"a": 1}')


@pytest.mark.parametrize(("one", "other"), [("1.0.3", "1.3"), ("10.0.0.1", "10.0.1"), ("v1.0", "v1")])
def test_versions_and_addresses_in_results_are_not_numbers(one: str, other: str) -> None:
    assert facts_of(one) != facts_of(other)
