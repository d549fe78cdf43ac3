"""Words, numbers and names of queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.words import content_words, months, names, numbers, words


def test_words_have_no_case_accents_punctuation_or_plural_s():
    assert words("Neovölkisch CAFÉS, boss' keys!") == ["neovolkisch", "cafe", "boss", "key"]


def test_scripts_without_spaces_are_cut_into_characters():
    assert words("北京 2008") == ["北", "京", "2008"]


def test_stop_words_do_not_count_unless_there_is_nothing_else():
    assert content_words("Who is the mayor of the town?") == ["mayor", "town"]
    assert content_words("The Who") == ["the", "who"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,200 men in 1992-2000", {"1200", "1992", "2000"}),
        ("40.0 and 3.50", {"40", "3.5"}),
        ("1990s", {"1990"}),
        ("the first and the 2nd", {"1", "2"}),
        ("B2", set()),
    ],
)
def test_numbers_are_read_by_value(text, expected):
    assert numbers(text) == expected


def test_months_that_are_words_too_need_a_capital():
    assert months("March 2024") == {"month 3"}
    assert months("march 2024") == frozenset()
    assert months("monday, sep") == {"monday", "month 9"}


def test_names_are_told_by_capitals():
    assert names("profession of Stanley Kwan") == {"stanley", "kwan"}
    assert names("Where was Ken Hughes born") == {"ken", "hughe"}
    assert names("Ken Hughes films") == {"ken", "hughe"}


def test_text_that_has_capitals_everywhere_names_nothing():
    assert names("TASTING TABLE MENU SECTION LIST") == frozenset()


@given(st.text(max_size=80))
def test_any_text_is_read(text):
    assert words(text.upper()) == words(text.upper().lower()) or not text.isascii()
    assert set(content_words(text)) <= set(words(text))
    numbers(text), months(text), names(text)
