"""Facts are found whatever their spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.messages.facts import Fact, counts, facts, plain_number


def only(text: str) -> Fact:
    (fact,) = facts(text)
    return fact


@pytest.mark.parametrize(
    "text",
    ["2024-05-16", "May 16th, 2024", "may 16, 2024", "16 May 2024", "the 16th of May 2024", "16-May-2024", "2024/5/16"],
)
def test_dates_have_one_spelling(text: str) -> None:
    assert only(f"on {text}").same(only("on 2024-05-16"))


@pytest.mark.parametrize("text", ["2024-05-17", "2023-05-16", "May 16th, 2023", "6 May 2024", "2024-06-16"])
def test_other_dates_differ(text: str) -> None:
    assert not only(f"on {text}").same(only("on 2024-05-16"))


def test_a_date_without_its_year_fits_any_year_but_no_other_day() -> None:
    assert only("on May 16").same(only("on 2024-05-16"))
    assert not only("on May 17").same(only("on 2024-05-16"))


def test_a_date_in_figures_is_read_both_ways() -> None:
    assert only("on 05/06/2024").same(only("on June 5, 2024"))
    assert only("on 05/06/2024").same(only("on May 6, 2024"))
    assert not only("on 05/13/2024").same(only("on May 12, 2024"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("3 pm", "15:00"), ("3:30 p.m.", "15:30"), ("12 AM", "00:00"), ("11 pm", "23:00"), ("9:05", "09:05")],
)
def test_times_have_one_spelling(one: str, other: str) -> None:
    assert only(f"at {one}").same(only(f"at {other}"))


@pytest.mark.parametrize("text", ["$1,250", "$1250.00", "1250 dollars", "USD 1,250.00", "1,250", "US$ 1250"])
def test_amounts_have_one_spelling(text: str) -> None:
    assert only(f"costs {text}").same(only("costs $1,250.00"))


@pytest.mark.parametrize("text", ["$1,251", "€1,250", "1250%", "$12.50", "$125"])
def test_other_amounts_and_currencies_differ(text: str) -> None:
    assert not only(f"costs {text}").same(only("costs $1,250.00"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("order #W1234", "w1234"),
        ("flight HAT097", "hat097"),
        ("user ivan_muller_7015", "ivan_muller_7015"),
        ("reservation ABCDEF", "abcdef"),
        ("write to jo@example.com.", "jo@example.com"),
        ("see https://example.com/a1.", "https://example.com/a1"),
        ("call (555) 123-4567", "5551234567"),
        ("version v1.0.3", "v1.0.3"),
        ("host 10.0.0.1", "10.0.0.1"),
        ("the 'Blue Lamp'", "blue lamp"),
        ("to Oslo", "oslo"),
        ("for Ann Lee.", "ann lee"),
        ("in Flight Number HAT097", "hat097"),
    ],
)
def test_ids_quotes_and_names_are_found_whole(text: str, key: str) -> None:
    assert only(text).keys == {key}


@pytest.mark.parametrize(
    "text",
    [
        "Please tell me more.",
        "Hello Ann, welcome.",
        "1. First\n2) second",
        "- **Trip Type:** open",
        "## Outgoing Flight",
        "Option 2: wait.",
        "On Monday, I'll call.",
        "PLEASE READ THIS NOW.",
    ],
)
def test_beginnings_labels_greetings_and_list_items_are_no_facts(text: str) -> None:
    assert facts(text) == []


def test_number_words_are_never_due() -> None:
    assert only("three bags").soft
    assert only("three bags").same(only("3 bags"))


def test_numbers_stand_before_words() -> None:
    assert counts("Two checked bags and $40 to the card, on May 3.") == {
        "checked": {"2"},
        "bag": {"2"},
        "card": {"40"},
    }


@given(st.integers(0, 10**9))
def test_thousands_separators_do_not_matter(number: int) -> None:
    assert plain_number(f"{number:,}") == plain_number(f"{number:,}.00") == str(number)


@given(st.dates())
def test_any_date_is_read_back(day) -> None:
    if 1900 <= day.year < 2100:
        assert only(f"on {day:%B} {day.day}, {day.year}").keys == {day.isoformat()}


@given(st.text(max_size=300))
def test_any_text_has_facts(text: str) -> None:
    assert all(fact.keys for fact in facts(text))


@pytest.mark.parametrize("run", ["1", "a", "1.", "-", "_", "."])
def test_a_long_run_without_spaces_costs_as_much_per_character_as_a_short_one(run: str) -> None:
    """A quadratic search would look at 10^11 places here and not come back."""
    assert len(facts(run * 300_000)) <= 1
