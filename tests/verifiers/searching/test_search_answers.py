"""When two answers are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.answers import rule_answer, same_answer

SAME = [
    ("little princess", "A Little Princess"),
    ("Neovölkisch", "neovolkisch"),
    ("21", "21 inches"),
    ("21 inches", '21"'),
    ("racing cars", "racing car"),
    ("40", "40.0"),
    ("1,200 people", "1200 people"),
    ("2 km", "2000 metres"),
    ("$5 million", "5,000,000 dollars"),
    ("forty-two", "42"),
    ("5%", "5 percent"),
    ("March 13, 1990", "13 March 1990"),
    ("March 13, 1990", "1990-03-13"),
    ("March 1990", "13th March 1990"),
    ("England and Scotland", "Scotland and England"),
    ("John Smith", "Smith, John"),
    ("J. K. Rowling", "JK Rowling"),
    ("St. Louis", "Saint Louis"),
    ("British Broadcasting Corporation", "BBC"),
    ("British Broadcasting Corporation (BBC)", "bbc"),
    ("United States of America", "USA"),
    ("Norma Jeane Mortenson, better known as Marilyn Monroe", "Marilyn Monroe"),
    ("John Smith", "John (Jack) Smith"),
    ("BBC", "British Broadcasting Corporation (BBC)"),
    ("yes", "Yes, it is."),
    ("Ricin", "The answer is **ricin**."),
    ("Epsom Derby", "the Epsom Derby race"),
    ("Morgan", "Mr. Morgan"),
    ("Hudson River", "Hudson"),
    ("World War II", "World War 2"),
    ("Louis XIV", "Louis 14"),
    ("the third", "3rd"),
    ("twelfth century", "12th century"),
    ("twenty-first", "21st"),
    ("Hurricane Katrina", "Hurricane Katrina (2005)"),
]
OTHER = [
    ("dragon tv", "web series"),
    ("21 inches", "21 feet"),
    ("21", "22"),
    ("1990", "1991"),
    ("March 13, 1990", "March 14, 1990"),
    ("yes", "no"),
    ("no", "yes, it is not"),
    ("Paris", "London or Paris"),
    ("Paris", "Paris, London"),
    ("Paris", "Paris/London"),
    ("Paris", "Paris London"),
    ("Paris", "London (Paris)"),
    ("Paris", "London, also known as Paris"),
    ("Adra Venn", "Adra Venn Benno Tarr"),
    ("Paris", "London, Rome, Paris"),
    ("York", "New York"),
    ("North Carolina", "South Carolina"),
    ("England and Scotland", "England"),
    ("John Morgan", "John Smith"),
    ("president", "vice president"),
    ("3-1", "1-3"),
    ("Paris", ""),
    ("Paris", "It could be any of the towns that are named above, and some of them are near Paris"),
    ("Apollo 11", "Apollo 12"),
    ("John Paul II", "John Paul"),
    ("John Paul II", "John Paul I"),
    ("Iron Man", "Iron Man 3"),
    ("Dr. No", "No"),
    ("-5", "5"),
    ("minus 5", "5"),
]


@pytest.mark.parametrize(("expert", "candidate"), SAME)
def test_the_same_answer(expert, candidate):
    assert same_answer(expert, candidate), rule_answer(expert, candidate)


@pytest.mark.parametrize(("expert", "candidate"), OTHER)
def test_another_answer(expert, candidate):
    assert not same_answer(expert, candidate), rule_answer(expert, candidate)


def test_words_of_the_question_say_nothing_new():
    assert same_answer("racing driver Jim Douglas", "Jim Douglas", "Which racing driver is in the film?")
    assert not same_answer("racing driver Jim Douglas", "Jim Douglas", "Who is in the film?")


def test_a_question_that_offers_the_answer_makes_its_words_tell():
    asked = "Which town is larger, Barwick or Calmere?"
    assert same_answer("Barwick", "Barwick", asked)
    assert not same_answer("Barwick", "Barwick Calmere", asked)
    assert not same_answer("Barwick", "the larger town, Barwick, not Calmere", asked)


def test_what_merely_overlaps_is_not_certain():
    assert not rule_answer("Epsom Derby", "the Derby race of 1964 at Epsom Downs").certain
    assert rule_answer("dragon tv", "web series").certain


@given(st.text(max_size=40).filter(str.strip))
def test_an_answer_is_equal_to_itself(text):
    assert same_answer(text, text)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_are_ruled(expert, candidate):
    assert 0.0 <= rule_answer(expert, candidate).f1 <= 1.0
