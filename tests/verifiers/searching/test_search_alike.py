"""Words of two queries that are one word in two spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.alike import aligned, in_capitals, missing, mistyped

WORDS = st.lists(st.text("abcdest123", min_size=1, max_size=7), max_size=6, unique=True)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("flag bearer olympics", "flagbearer olympics"),
        ("anabolic steroid", "anabolic steriod"),
        ("world war ii", "world war two"),
        ("saint petersburg", "st petersburg"),
        ("neil armstrong", "niel armstrong"),
        ("frances hodgson", "frances hogson"),
    ],
)
def test_one_word_in_two_spellings_is_one(ours, theirs):
    first, second = aligned(ours.split(), theirs.split())
    assert first == second
    first, second = aligned(theirs.split(), ours.split())
    assert first == second


@pytest.mark.parametrize(
    ("one", "other"), [("bob", "bon"), ("iran", "iraq"), ("1947", "1948"), ("austria", "australia")]
)
def test_short_words_numbers_and_two_letters_are_no_typing_errors(one, other):
    assert not mistyped(one, other)
    assert aligned([one], [other]) == ([one], [other])


def test_two_things_that_the_question_names_stay_apart():
    assert aligned(["marina"], ["martina"], {"marina", "martina"}) == (["marina"], ["martina"])
    assert aligned(["marina"], ["martina"]) == (["marina"], ["marina"])


def test_initials_stand_for_words_in_a_row():
    ours, theirs = ["college", "athletic", "club"], ["ac", "season"]
    assert aligned(ours, theirs, initials={"ac"}) == (["college", "ac"], ["ac", "season"])
    assert aligned(theirs, ours, initials={"ac"}) == (["ac", "season"], ["college", "ac"])


def test_a_word_is_not_taken_for_initials():
    assert aligned(["carol", "ann", "tully"], ["cat"]) == (["carol", "ann", "tully"], ["cat"])
    ours, theirs = ["baltic", "forum"], ["bf", "forum"]
    assert aligned(ours, theirs, initials={"bf"}) == (ours, theirs)


def test_initials_are_words_in_capitals_among_others():
    assert in_capitals("Is the NCAA in the US?") == {"ncaa", "us"}
    assert in_capitals("IS THE NCAA IN THE US") == frozenset()


def test_an_initial_stands_for_its_name():
    assert missing(["h"], ["holliday"], "Thomas Holliday Hicks") == []
    assert missing(["hughes"], ["kwan"], "Stanley Kwan") == ["hughes"]


@given(WORDS)
def test_a_query_is_aligned_with_itself(words):
    assert aligned(words, words) == (words, words)


@given(WORDS, WORDS)
def test_what_two_queries_share_stays_shared(ours, theirs):
    first, second = aligned(ours, theirs)
    assert set(ours) & set(theirs) <= set(first) & set(second)


@given(st.text("ab", max_size=7), st.text("ab", max_size=7))
def test_a_typing_error_is_one_both_ways_and_changes_something(one, other):
    assert mistyped(one, other) == mistyped(other, one)
    assert not mistyped(one, one)
