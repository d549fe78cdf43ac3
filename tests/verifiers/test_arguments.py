from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.verifiers.arguments import same_arguments, same_value, share_of_same
from pivotgym.verifiers.schema import signature
from pivotgym.verifiers.tool_calls import ToolCallComparator

TRIP = Tool(
    name="trip",
    parameters={
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "nights": {"type": "integer", "default": 1},
            "unit": {"type": "string", "description": "Default is 'km'."},
            "size": {"type": "string", "enum": ["M", "m", "L"]},
            "stops": {"type": "array", "items": {"type": "string"}},
            "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "extras": {"type": "array", "description": "Extras; the order does not matter."},
            "room": {
                "type": "object",
                "properties": {"beds": {"type": "integer", "default": 1}, "view": {"type": "string"}},
            },
            "pet": {"type": "boolean"},
        },
        "required": ["to"],
    },
)
SIGNATURE = signature(TRIP)


def same(expert: dict[str, Any], given: dict[str, Any]) -> bool:
    there = same_arguments({"to": "Rome", **expert}, {"to": "Rome", **given}, SIGNATURE)
    back = same_arguments({"to": "Rome", **given}, {"to": "Rome", **expert}, SIGNATURE)
    assert there == back
    return there


@pytest.mark.parametrize(
    ("expert", "given"),
    [
        ({}, {"nights": 1}),
        ({}, {"nights": 1.0, "unit": "KM"}),
        ({}, {"pet": None}),
        ({"nights": 3}, {"nights": 3.0}),
        ({"stops": ["Pisa", "Siena"]}, {"stops": ["pisa", "siena"]}),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}),
        ({"extras": [{"n": 1}, {"n": 2}]}, {"extras": [{"n": 2.0}, {"n": 1}]}),
        ({"room": {"view": "Sea"}}, {"room": {"beds": 1, "view": "sea"}}),
        ({"room": {"view": "sea", "beds": None}}, {"room": {"view": "sea"}}),
    ],
)
def test_equal_arguments(expert: dict[str, Any], given: dict[str, Any]) -> None:
    assert same(expert, given)


@pytest.mark.parametrize(
    ("expert", "given"),
    [
        ({}, {"nights": 2}),
        ({}, {"pet": False}),
        ({}, {"size": "L"}),
        ({"unit": "km"}, {"unit": "mi"}),
        ({"size": "M"}, {"size": "m"}),
        ({"pet": True}, {"pet": 1}),
        ({"stops": ["Pisa", "Siena"]}, {"stops": ["Siena", "Pisa"]}),
        ({"stops": ["Pisa"]}, {"stops": ["Pisa", "Siena"]}),
        ({"tags": ["a", "b"]}, {"tags": ["a", "a"]}),
        ({"room": {"beds": 1}}, {"room": {"beds": 2}}),
        ({"room": {"beds": 1}}, {"room": {"beds": 1, "view": "sea"}}),
        ({"room": {"beds": 1}}, {"room": "sea"}),
    ],
)
def test_different_arguments(expert: dict[str, Any], given: dict[str, Any]) -> None:
    assert not same(expert, given)


def test_swapped_values_are_different() -> None:
    assert not same_arguments({"to": "Rome", "unit": "km"}, {"to": "km", "unit": "Rome"}, SIGNATURE)


def test_the_share_counts_parameters_of_either_call() -> None:
    assert share_of_same({"to": "Rome", "nights": 2}, {"to": "rome", "pet": True}, SIGNATURE) == pytest.approx(1 / 3)
    assert share_of_same({}, {}, SIGNATURE) == 1.0


LEAVES = st.one_of(st.booleans(), st.integers(-99, 99), st.text("abcXYZ 0123-/", max_size=6))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3)
)
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1, max_size=3)
ANY = Tool(name="any", parameters={"type": "object", "properties": {"a": {}, "b": {}, "c": {}}})
COMPARATOR = ToolCallComparator()


def reward(expert: dict[str, Any], given: dict[str, Any]) -> float:
    def act(arguments: dict[str, Any]) -> Action:
        return Action(tool_calls=(ToolCall(name="any", arguments=arguments),))

    pivot = Pivot(
        id="t:0", domain="d", messages=[Message(role="user", content="Go.")], tools=[ANY], reference=act(expert)
    )
    return COMPARATOR.by_rule(pivot, act(given)).reward


def respelt(value: Any) -> Any:
    """The value with its keys in reverse and floats for integers."""
    if isinstance(value, dict):
        return {key: respelt(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [respelt(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def changed(value: Any) -> Any:
    """The value with its first leaf another one, or `None` where it has no leaf."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            other = changed(item)
            if other is not None:
                copy = dict(value) if isinstance(value, dict) else list(value)
                copy[key] = other
                return copy
        return None
    if isinstance(value, bool):
        return not value
    return value + "x7" if isinstance(value, str) else value + 1


@given(ARGUMENTS)
def test_the_experts_arguments_are_accepted(arguments: dict[str, Any]) -> None:
    assert reward(arguments, arguments) == 1.0


@given(ARGUMENTS)
def test_key_order_and_number_forms_do_not_matter(arguments: dict[str, Any]) -> None:
    assert reward(arguments, respelt(arguments)) == 1.0


@given(ARGUMENTS)
def test_a_changed_leaf_is_never_accepted(arguments: dict[str, Any]) -> None:
    other = changed(arguments)
    if other is not None:
        assert reward(arguments, other) == 0.0


@given(ARGUMENTS, ARGUMENTS)
def test_the_rule_goes_both_ways(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert reward(one, other) == reward(other, one)


@given(ARGUMENTS, st.sampled_from(["a", "b", "c"]))
def test_an_argument_left_out_is_never_accepted_without_a_default(arguments: dict[str, Any], name: str) -> None:
    shorter = {key: value for key, value in arguments.items() if key != name}
    if shorter != arguments:
        assert reward(arguments, shorter) == 0.0


@pytest.mark.parametrize(
    "schema", [{"enum": 3}, {"required": True}, {"required": [[]]}, {"properties": 3}, {"items": 3}]
)
def test_a_broken_schema_gets_an_answer(schema: dict[str, Any]) -> None:
    for value in ("a", ["a"], {"a": 1}):
        assert same_value(value, value, schema)
