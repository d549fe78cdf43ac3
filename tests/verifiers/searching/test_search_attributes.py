"""What a query asks for of the thing that it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.attributes import form, meanings, other_attribute
from pivotgym.verifiers.searching.queries import by_text


@pytest.mark.parametrize("words", ["founding founded founder", "located location", "release released releases"])
def test_forms_of_a_word_are_one(words):
    assert len(set(map(form, words.split()))) == 1


@pytest.mark.parametrize("word", ["rose", "bed", "ring", "king"])
def test_a_short_word_keeps_its_ending(word):
    assert form(word) == word


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("Marie Curie death year", "when did Marie Curie die"),
        ("Trivor location", "where is Trivor"),
        ("number of species in Sonerila", "how many species are in the genus Sonerila"),
        ("director of The Prestige", "who directed The Prestige"),
        ("Lee Pace birth date", "how old is Lee Pace"),
        ("Lee Pace birth date", "Lee Pace date of birth"),
        ("Neil Bush mother", "Neil Bush mother and the family's history"),
        ("Neil Bush", "Neil Bush mother"),
    ],
)
def test_one_thing_asked_in_other_words(expert, candidate):
    assert by_text(expert, candidate).same
    assert by_text(candidate, expert).same


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("Jay Van Andel company", "Jay Van Andel wife"),
        ("Lee Pace birth date", "Lee Pace release date"),
        ("the mountain K2 location", "the mountain K2 height"),
        ("Nantahala National Forest location", "Nantahala National Forest size"),
        ("Guy Pearce movies", "Guy Pearce wife"),
    ],
)
def test_another_attribute_of_the_same_thing_is_another_query(expert, candidate):
    judged = by_text(expert, candidate)
    assert (judged.same, judged.reason) == (False, "it asks for something else of what it names")


def test_a_name_keeps_its_form():
    assert meanings("films of Winger", frozenset({"winger"})) == ("film", "winger")


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_order_of_two_queries_does_not_count(one, other):
    named = frozenset(one.lower().split())
    assert other_attribute(one, other, named) == other_attribute(other, one, named)
    assert not other_attribute(one, one, named)
