import pytest

from pivotgym.core.messages import Tool
from pivotgym.verifiers.accepted import argument_score, fits, same, surface
from pivotgym.verifiers.schema import signature

ORDER = signature(
    Tool(
        name="order",
        parameters={
            "properties": {
                "item": {"type": "string"},
                "count": {"type": "integer", "default": 1},
                "weight": {"type": "number"},
                "tags": {"type": "array"},
                "to": {"type": "object"},
            },
            "required": ["item"],
        },
    )
)
ACCEPTED = {"item": ["green tea", "tea"], "weight": [2.0, ""], "tags": [["hot", "sweet"], ""]}


def accepted(**arguments: object) -> bool:
    return fits("order", arguments, {"order": ACCEPTED}, ORDER)


def test_any_accepted_value_fits() -> None:
    assert accepted(item="tea")
    assert accepted(item="green tea", weight=2.0, tags=["hot", "sweet"])


def test_other_values_do_not_fit() -> None:
    assert not accepted(item="coffee")
    assert not accepted(item="tea", weight=3.0)


def test_strings_are_compared_by_surface() -> None:
    assert surface("New-York, N.Y. 'x'") == 'newyorkny"x"'
    assert accepted(item="Green_Tea")


def test_lists_are_ordered() -> None:
    assert accepted(item="tea", tags=["Hot", "sweet"])
    assert not accepted(item="tea", tags=["sweet", "hot"])


def test_an_integer_stands_for_a_float_and_back() -> None:
    assert accepted(item="tea", weight=2)
    assert same(5.0, 5)


def test_booleans_are_no_numbers() -> None:
    assert not same(True, 1)
    assert not same(0, False)


def test_what_must_be_given_must_be_given() -> None:
    assert not accepted(weight=2.0)


def test_an_argument_nobody_accepts_does_not_fit() -> None:
    assert not accepted(item="tea", to={"city": "Rome"})


def test_an_argument_equal_to_its_default_fits() -> None:
    assert accepted(item="tea", count=1)
    assert not accepted(item="tea", count=2)


def test_leaving_out_an_argument_whose_default_is_accepted_fits() -> None:
    assert fits("order", {"item": "tea"}, {"order": {"item": ["tea"], "count": [1]}}, ORDER)
    assert not fits("order", {"item": "tea"}, {"order": {"item": ["tea"], "count": [2]}}, ORDER)


def test_an_empty_list_may_stand_for_none() -> None:
    assert accepted(item="tea", tags=[])


def test_another_function_does_not_fit() -> None:
    assert not fits("cancel", {"item": "tea"}, {"order": ACCEPTED}, ORDER)


TO = {"item": ["tea"], "to": [{"city": ["Rome", "Roma"], "zip": ["00100", ""]}]}


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ({"city": "roma"}, True),
        ({"city": "Rome", "zip": "00100"}, True),
        ({"zip": "00100"}, False),
        ({"city": "Rome", "zip": "1"}, False),
        ({"city": "Rome", "street": "x"}, False),
        ({}, False),
    ],
)
def test_dictionaries_hold_sets_of_values(place: dict[str, str], right: bool) -> None:
    assert fits("order", {"item": "tea", "to": place}, {"order": TO}, ORDER) is right


def test_dictionaries_in_lists_do_too() -> None:
    entry = {"order": {"item": ["tea"], "tags": [[{"k": ["a", "b"]}, {"k": ["c"]}]]}}
    assert fits("order", {"item": "tea", "tags": [{"k": "b"}, {"k": "c"}]}, entry, ORDER)
    assert not fits("order", {"item": "tea", "tags": [{"k": "c"}, {"k": "c"}]}, entry, ORDER)


def test_the_score_is_the_share_of_right_arguments() -> None:
    assert argument_score({"item": "tea", "weight": 3.0}, ACCEPTED, ORDER) == pytest.approx(2 / 3)
