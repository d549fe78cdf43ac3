"""What a query asks for of the thing that it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.attributes import asking, form, meanings, other_attribute
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
        ("birthplace of Johann Bach", "where was Johann Bach born"),
        ("give me all companies in Munich", "company, Munich"),
        ("The Darkness band origin", "where is The Darkness band from"),
        ("site:example.org Lee Pace height", "how tall is Lee Pace"),
        ("Lake Placid depth", "How deep is Lake Placid?"),
        ("Neil Young alma mater", "where did Neil Young study"),
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


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("Lee Pace birth date", "Lee Pace birthplace"),
        ("when was Amway founded", "who established Amway"),
        ("how many albums did Shihad release", "when did Shihad release albums"),
        ("lee pace height", "lee pace wife"),
    ],
)
def test_a_date_a_place_a_number_and_a_person_are_four_things_to_ask_for(expert, candidate):
    assert not by_text(expert, candidate).same
    assert not by_text(candidate, expert).same


def test_a_bare_name_does_for_one_attribute_and_not_for_a_description():
    assert by_text("Guy Pearce", "Guy Pearce wife").same
    assert not by_text("Germany", "cars that are produced in Germany").same


@pytest.mark.parametrize("query", ["list", "give me all", "site:example.org", "the"])
def test_a_query_that_only_orders_an_answer_still_has_words(query):
    assert asking(query)


def test_a_name_keeps_its_form():
    assert meanings(asking("films of Winger"), {"winger"}) == ("film", "winger")


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_order_of_two_queries_does_not_count(one, other):
    due, given, named = meanings(asking(one)), meanings(asking(other)), frozenset(one.lower().split())
    assert other_attribute(due, given, named) == other_attribute(given, due, named)
    assert not other_attribute(due, due, named)
