import pytest

from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.core.trajectory import Effects, Pivot
from pivotgym.verifiers.strict import StrictComparator


def call(**arguments: object) -> Action:
    return Action(tool_calls=(ToolCall(name="f", arguments=arguments, id="1"),))


PIVOT = Pivot(id="t:0", domain="d", messages=[Message(role="user", content="x")], reference=call(a=1, b="x"))


@pytest.mark.parametrize(
    ("action", "reward"),
    [
        (call(a=1, b="x"), 1.0),
        (call(b="x", a=1), 1.0),
        (call(a=1.0, b="x"), 0.0),
        (call(a=True, b="x"), 0.0),
        (call(a=1, b="X"), 0.0),
        (call(a=1, b="x").model_copy(update={"content": "Here:"}), 0.0),
        (Action(content="x"), 0.0),
    ],
)
def test_only_the_experts_action_is_equal(action: Action, reward: float) -> None:
    assert StrictComparator().by_rule(PIVOT, action).reward == reward


def test_ids_and_thoughts_are_no_part_of_an_action() -> None:
    other = Action(tool_calls=(ToolCall(name="f", arguments={"a": 1, "b": "x"}, id="9"),), reasoning="hm")
    verdict = StrictComparator().screen(PIVOT, other)
    assert verdict is not None
    assert verdict.reward == 1.0


def test_effects_do_not_matter() -> None:
    assert StrictComparator().compare(PIVOT, Effects(state="a"), Effects(state="a")).outcome == "different"
