import string
from collections.abc import Callable
from contextlib import suppress
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import WrongState
from pivotgym.envs.tool_use.tau.database import State, load
from pivotgym.envs.tool_use.tau.toolkit import DATABASES, TauToolkit
from pivotgym.envs.tool_use.tau.tools import Refused, calculated

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_the_airline_has_14_tools_and_the_shop_16() -> None:
    assert (len(DATABASES["airline"].tools.by_name), len(DATABASES["retail"].tools.by_name)) == (14, 16)


@pytest.mark.parametrize(
    ("shop", "writing"),
    [
        (
            "airline",
            "book_reservation cancel_reservation send_certificate update_reservation_baggages "
            "update_reservation_flights update_reservation_passengers",
        ),
        (
            "retail",
            "cancel_pending_order exchange_delivered_order_items modify_pending_order_address "
            "modify_pending_order_items modify_pending_order_payment modify_user_address return_delivered_order_items",
        ),
    ],
)
def test_tools_say_whether_they_write(start: Callable[[str], TauToolkit], shop: str, writing: str) -> None:
    toolkit = start(shop)
    assert {tool.name for tool in toolkit.tools() if toolkit.writes(tool.name)} == set(writing.split())


def test_a_tool_that_is_not_there_writes_nothing(start: Callable[[str], TauToolkit]) -> None:
    assert not start("airline").writes("fly")


@pytest.mark.parametrize(
    ("tool", "arguments", "error"),
    [
        ("fly", {}, "Error: no tool is called 'fly'; the tools are ['book_reservation', "),
        ("get_user_details", {}, "Error: get_user_details: required argument 'user_id' is missing"),
        ("get_user_details", {"user_id": "a", "x": 1}, "Error: get_user_details: no argument is called 'x'"),
        ("list_all_airports", {"x": 1}, "Error: list_all_airports: "),
        ("get_user_details", {"user_id": ["a"]}, "Error: get_user_details: argument 'user_id' does not fit"),
        ("send_certificate", {"user_id": "ann_lee_1", "amount": float("nan")}, "Error: numbers must lie between"),
        ("send_certificate", {"user_id": "ann_lee_1", "amount": 10**400}, "Error: numbers must lie between"),
    ],
)
def test_a_wrong_call_is_an_error_the_policy_sees(airline, tool: str, arguments: dict, error: str) -> None:
    assert airline.refuses(tool, **arguments).startswith(error)


@pytest.mark.parametrize("shop", sorted(DATABASES))
@given(data=st.data())
def test_no_arguments_break_a_tool(made_up, shop: str, data: st.DataObject) -> None:
    state, table = State(load(made_up / shop, DATABASES[shop].tables)), DATABASES[shop].tools
    name = data.draw(st.sampled_from(sorted(table.by_name)))
    parameters = table.by_name[name].tool.parameters["properties"]
    arguments = {parameter: data.draw(ANYTHING) for parameter in parameters}
    assert isinstance(table.call(state, name, arguments)[1], str)


def test_arguments_are_not_nested_without_end(airline) -> None:
    deep: dict = {"first_name": "A", "last_name": "B", "dob": "C"}
    for _ in range(50):
        deep = {**deep, "first_name": "A", "more": deep}
    error = airline.refuses("update_reservation_passengers", reservation_id="AAA111", passengers=[deep])
    assert error == "Error: values must not be nested deeper than 10 levels"


def test_thinking_says_nothing_and_a_transfer_succeeds(airline) -> None:
    before = airline.toolkit.digest()
    assert airline("think", thought="hm") == ""
    assert not airline.toolkit.tells("think")
    assert airline("transfer_to_human_agents", summary="they asked") == "Transfer successful"
    assert airline.toolkit.digest() == before


@pytest.mark.parametrize(
    ("expression", "value"),
    [("(158 + 141) + 30", "329.0"), ("2*3-4/8", "5.5"), (" -7 // 2", "-4.0"), ("0.1 + 0.2", "0.3"), ("+5", "5.0")],
)
def test_expressions_are_worked_out_to_two_decimals(expression: str, value: str) -> None:
    assert calculated(expression) == value


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("2 + x", "invalid characters in expression"),
        ("1 +", "invalid expression"),
        ("9**9**9", "invalid expression"),
        ("(1)(2)", "invalid expression"),
        ("1/0", "division by zero"),
        ("1+" * 600 + "1", "the expression is longer than 1000 characters"),
        ("9" * 999, "int too large to convert to float"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, error: str) -> None:
    with pytest.raises(Refused, match=error):
        calculated(expression)


@given(st.text(alphabet=string.digits + "+-*/(). "))
def test_an_expression_has_a_value_or_is_refused(expression: str) -> None:
    with suppress(Refused):
        assert isfinite(float(calculated(expression)))


def test_a_toolkit_must_be_started() -> None:
    with pytest.raises(WrongState, match="toolkit: it is not started"):
        TauToolkit().tools()
    with pytest.raises(WrongState, match="toolkit: it is not started"):
        TauToolkit().digest()
