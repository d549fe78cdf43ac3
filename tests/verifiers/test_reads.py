import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Effects
from pivotgym.verifiers.call_effects import by_effects
from pivotgym.verifiers.reads import facts_of, proves
from pivotgym.verifiers.schema import signature

GET = Tool(name="get", parameters={"properties": {"q": {"type": "string"}, "n": {"type": "integer", "default": 1}}})
SIGNATURES = {"get": signature(GET)}
ANN = {"id": "ann_lee_42", "city": "Rome"}
BOB = {"id": "bob_ray_17", "city": "Oslo"}


def read(*calls: tuple[str, Any], failed: bool = False) -> Effects:
    """Calls that change nothing: (tool or its query, result)."""
    return Effects(
        observations=[result if isinstance(result, str) else json.dumps(result) for _, result in calls],
        state="s",
        before="s",
        failed=[failed] * len(calls),
        detail={"calls": [{"name": "get", "arguments": {"q": query}} for query, _ in calls]},
    )


def same(expert: Effects, candidate: Effects) -> bool:
    verdict = by_effects(expert, candidate, SIGNATURES)
    assert verdict.executed
    return verdict.reward == 1.0


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (read(("by name", "ann_lee_42")), read(("by mail", "ann_lee_42"))),
        (read(("all", [ANN, BOB])), read(("all", [BOB, ANN]))),
        (read(("both", [ANN, BOB])), read(("b", BOB), ("a", ANN))),
        (read(("a", ANN)), read(("a", {"user": ANN}))),
        (read(("all", [ANN, BOB])), read(("all", {"users": [ANN, BOB]}))),
        (read(("a", ANN)), read(("a", ANN), ("a", ANN))),
        (read(("a", ANN)), read(("details", {**ANN, "age": 40}))),
        (read(("sum", "1234.50")), read(("total", "1234.5"))),
        (read(("5 - 2", "3.0")), read(("5-2 ", "3.0"))),
        (read(("2 * 5.0", "10.0")), read(("(5 * 2)", "10.0"))),
    ],
)
def test_the_same_facts_through_other_calls(expert: Effects, candidate: Effects) -> None:
    assert same(expert, candidate)


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (read(("a", ANN)), read(("b", BOB))),
        (read(("a", ANN)), read(("all", [ANN, BOB]))),
        (read(("a", ANN)), read(("a", ANN), ("b", BOB))),
        (read(("all", [ANN, BOB])), read(("a", ANN))),
        (read(("a", ANN)), read(("a", {**ANN, "city": "Oslo"}))),
        (read(("a", ANN)), read(("city", {"city": "Rome"}))),
        (read(("details", {**ANN, "age": 40})), read(("a", ANN))),
        (read(("balance", {"balance": 1234})), read(("price", {"price": 1234}))),
        (read(("swap", {"a": 123, "b": 456})), read(("swap", {"a": 456, "b": 123}))),
        (read(("twice", [ANN, ANN])), read(("once", [ANN]))),
        (read(("sorted", [111, 222])), read(("unsorted", [222, 111]))),
        (read(("2 * 5", "10.0")), read(("20 / 2", "10.0"))),
        (read(("2024-05-24", [])), read(("2024-24-05", []))),
        (read(("5/12/2024", [])), read(("12/5/2024", []))),
        (read(("address", "10.0.0.1")), read(("address", "10.0.1"))),
    ],
)
def test_other_fewer_or_more_facts(expert: Effects, candidate: Effects) -> None:
    assert not same(expert, candidate)


@pytest.mark.parametrize("result", [[], {}, "", None, True, 3, 0.5, {"stock": 3}, {"status": "pending"}, "No results"])
def test_what_is_told_by_chance_proves_nothing(result: Any) -> None:
    assert not same(read(("a", result)), read(("b", result)))
    assert same(read(("a", result)), read(("a", result)))


def test_a_failure_proves_nothing() -> None:
    error = "Error: order W1234567 was not found"
    assert not same(read(("a", error), failed=True), read(("b", error), failed=True))
    assert same(read(("a", error), failed=True), read(("a", error), failed=True))


def test_an_empty_read_beside_a_good_one_proves_nothing_either() -> None:
    assert not same(read(("a", ANN), ("b", [])), read(("a", ANN), ("c", [])))
    assert not same(read(("a", ANN)), read(("a", ANN), ("b", [])))


@pytest.mark.parametrize(
    "fact", ["ann_lee_42", "1234", "12.05", "Ann Lee", '{"a":[{"b":"HAT001"}]}', "internationally"]
)
def test_rare_values_prove_something(fact: str) -> None:
    assert proves(fact)


@pytest.mark.parametrize("fact", ["", "ok", "true", "7", "100", "1e5", "pending", '{"a":[1,"x",null]}', "not found"])
def test_common_values_do_not(fact: str) -> None:
    assert not proves(fact)


RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.integers(100, 999), "name": st.text("abc", max_size=3)}), min_size=1, max_size=4
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_lists_of_records_hold_the_same_facts_in_any_order(records: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(records, len(records))
    distinct = len({json.dumps(one, sort_keys=True) for one in records}) == len(records)
    if distinct:
        assert facts_of(json.dumps(records)) == facts_of(json.dumps(shuffled))


@given(RECORDS, st.integers(0, 3), st.integers(1000, 9999))
def test_another_value_is_another_fact(records: list[dict[str, Any]], place: int, value: int) -> None:
    other = [dict(one) for one in records]
    other[place % len(other)]["id"] = value
    assert not same(read(("q", records)), read(("q", other)))


@given(st.text(max_size=30))
def test_any_text_has_facts(text: str) -> None:
    assert facts_of(text) == facts_of(text)
    assert all(isinstance(proves(fact), bool) for fact in facts_of(text))
