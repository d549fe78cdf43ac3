"""Numbers in words and in Roman numerals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.numerals import spelled_in_digits


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("forty-two ships", "42 ships"),
        ("twenty first", "21st"),
        ("the twelfth of ninety", "the 12th of 90"),
        ("henry viii", "henry 8"),
        ("world war ii", "world war 2"),
    ],
)
def test_numbers_become_digits(text, digits):
    assert spelled_in_digits(text) == digits


@pytest.mark.parametrize("text", ["malcolm x", "vi hart", "1 second", "someone", "civic"])
def test_what_is_no_number_stays(text):
    assert spelled_in_digits(text) == text


def test_a_second_of_time_is_no_ordinal():
    assert spelled_in_digits("one second") == "1 second"


@given(st.lists(st.sampled_from(["two", "third", "forty", "-", "xii", "one", "second", "7", "war", "é"]), max_size=6))
def test_what_is_in_digits_stays(parts):
    once = spelled_in_digits(" ".join(parts))
    assert spelled_in_digits(once) == once
