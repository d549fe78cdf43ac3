import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Tool, ToolCall
from pivotgym.verifiers.defaults import NO_DEFAULT, default_of
from pivotgym.verifiers.schema import signature, to_json_schema

BOOK = signature(
    Tool(
        name="book",
        parameters={
            "type": "dict",
            "properties": {
                "seats": {"type": "integer"},
                "price": {"type": "float"},
                "name": {"type": "string"},
                "extras": {"type": "array", "items": {"type": "string"}},
                "window": {"type": "boolean", "default": False},
                "note": {"type": "any"},
            },
            "required": ["seats"],
        },
    )
)


def problem(**arguments: object) -> str | None:
    return BOOK.problem(ToolCall(name="book", arguments=arguments))


def test_a_fitting_call_has_no_problem() -> None:
    assert problem(seats=2, price=3, name="Ann", extras=["tea"], window=True, note=[1]) is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "book: required argument 'seats' is missing"),
        ({"seats": None}, "argument 'seats' does not fit its schema: None is not of type 'integer'"),
        ({"seats": "2"}, "argument 'seats' does not fit its schema: '2' is not of type 'integer'"),
        ({"seats": 2.5}, "2.5 is not of type 'integer'"),
        ({"seats": True}, "True is not of type 'integer'"),
        ({"seats": 1, "name": 7}, "argument 'name' does not fit its schema: 7 is not of type 'string'"),
        ({"seats": 1, "extras": [1]}, "argument 'extras.0' does not fit its schema"),
        ({"seats": 1, "row": 3}, "no argument is called 'row'; they are ['extras', 'name', 'note'"),
    ],
)
def test_each_problem_is_named(arguments: dict[str, object], text: str) -> None:
    assert text in (problem(**arguments) or "")


def test_arguments_that_are_no_object_are_named() -> None:
    assert (
        BOOK.problem(ToolCall(name="book", arguments="[1]")) == "book: expected a JSON object as arguments, got '[1]'"
    )


def test_null_is_not_given_for_an_optional_argument() -> None:
    assert problem(seats=1, name=None) is None
    assert BOOK.normal({"seats": 1, "name": None}) == BOOK.normal({"seats": 1})


def test_a_default_equals_leaving_it_out() -> None:
    assert BOOK.normal({"seats": 1, "window": False}) == BOOK.normal({"seats": 1})
    assert BOOK.normal({"seats": 1, "window": True}) != BOOK.normal({"seats": 1})


def test_number_forms_are_equal_only_where_a_number_is_declared() -> None:
    assert json.dumps(BOOK.normal({"seats": 1.0, "price": 2.0})) == json.dumps(BOOK.normal({"seats": 1, "price": 2}))
    assert json.dumps(BOOK.normal({"seats": 1, "note": 2.0})) != json.dumps(BOOK.normal({"seats": 1, "note": 2}))


def test_the_values_of_an_enumeration_are_not_a_matter_of_shape() -> None:
    tool = Tool(name="t", parameters={"properties": {"mode": {"type": "string", "enum": ["fast"]}}})
    assert signature(tool).problem(ToolCall(name="t", arguments={"mode": "FAST"})) is None


def test_a_property_called_enum_is_a_property() -> None:
    tool = Tool(name="t", parameters={"properties": {"enum": {"type": "string"}}})
    assert signature(tool).problem(ToolCall(name="t", arguments={"enum": 3})) is not None


def test_further_arguments_are_allowed_where_the_schema_says_so() -> None:
    tool = Tool(name="t", parameters={"properties": {"a": {}}, "additionalProperties": True})
    assert signature(tool).problem(ToolCall(name="t", arguments={"b": 3})) is None


def test_names_that_may_fit_a_pattern_are_known() -> None:
    parameters = {"properties": {"plain": {"type": "string"}}, "patternProperties": {"^p_": {"type": "int"}}}
    found = signature(Tool(name="f", parameters=parameters))
    assert found.problem(ToolCall(name="f", arguments={"p_1": 1})) is None
    assert "does not fit" in str(found.problem(ToolCall(name="f", arguments={"p_1": 1, "plain": 2})))


def test_items_by_position_are_read_in_both_spellings() -> None:
    parts = [{"type": "float"}, {"type": "str"}]
    for schema in ({"items": parts, "additionalItems": False}, {"prefixItems": parts, "items": False}):
        found = signature(Tool(name="f", parameters={"properties": {"x": {"type": "tuple", **schema}}}))
        assert found.problem(ToolCall(name="f", arguments={"x": [1.0, "a"]})) is None
        assert found.normal({"x": [1.0, "a"]}) == {"x": [1, "a"]}
        assert "does not fit" in str(found.problem(ToolCall(name="f", arguments={"x": ["a", "a"]})))
        assert "does not fit" in str(found.problem(ToolCall(name="f", arguments={"x": [1, "a", 2]})))


def test_foreign_type_names_become_json_schema() -> None:
    theirs = {"type": "dict", "properties": {"a": {"type": "tuple", "items": {"type": "float"}}, "b": {"type": "any"}}}
    ours = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}}, "b": {}}}
    assert to_json_schema(theirs) == ours


@pytest.mark.parametrize(
    ("schema", "default"),
    [
        ({"type": "integer", "default": 3}, 3),
        ({"type": "integer", "description": "How many. Default is 5."}, 5),
        ({"type": "number", "description": "Speed (defaults to 0.5)"}, 0.5),
        ({"type": "string", "description": "The unit (defaults to 'units' if not given)"}, "units"),
        ({"type": "boolean", "description": "Deep. Default: True"}, True),
        ({"type": "integer", "description": "default is the current year"}, NO_DEFAULT),
        ({"type": "integer", "description": "How many."}, NO_DEFAULT),
    ],
)
def test_defaults_are_read_from_schema_or_description(schema: dict[str, object], default: object) -> None:
    assert default_of(schema) == default


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["seats", "price", "name", "extras", "window", "note", "x"]), json_values))
def test_any_arguments_get_an_answer(arguments: dict[str, object]) -> None:
    if problem(**arguments) is None:
        assert BOOK.normal(BOOK.normal(arguments)) == BOOK.normal(arguments)


@given(json_values)
def test_any_schema_can_be_read(schema: object) -> None:
    assert isinstance(to_json_schema(schema), dict) == isinstance(schema, dict)


plain_types = st.sampled_from(["string", "number", "integer", "boolean", "array", "object", "null", "float", "any"])
values = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.5, "a", [1], {"a": 1}])


@given(
    properties=st.dictionaries(
        st.sampled_from("abc"),
        st.builds(
            lambda kind, more: {"type": kind, **more},
            plain_types | st.lists(plain_types, min_size=1, max_size=2),
            st.sampled_from([{}, {"description": "x"}, {"minimum": 1}, {"items": {"type": "string"}}]),
        ),
    ),
    arguments=st.dictionaries(st.sampled_from("abc"), values),
)
def test_plain_parameters_are_checked_as_the_validator_does(properties, arguments) -> None:
    checked = signature(Tool(name="f", parameters={"type": "object", "properties": properties}))
    slow = replace(checked, plain={})
    call = ToolCall(name="f", arguments=arguments)

    assert checked.problem(call) == slow.problem(call)


def test_a_declared_default_is_valid_whatever_its_type() -> None:
    tool = signature(Tool(name="songs", parameters={"properties": {"year": {"type": "integer", "default": "any"}}}))
    assert tool.problem(ToolCall(name="songs", arguments={"year": "any"})) is None
    assert tool.problem(ToolCall(name="songs", arguments={"year": 1999})) is None
    assert tool.problem(ToolCall(name="songs", arguments={"year": "old"})) is not None
