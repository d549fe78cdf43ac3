"""When two queries reach the same evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.queries import Judged, agreement, batch, by_results, by_text, rank_biased_overlap

PAGES = [f"page {number}" for number in range(10)]


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("UK House of Commons Speaker", "uk house commons speaker"),
        ("egg prices, March 2024", "March 2024 egg price"),
        ("Does PyMC develop PyTensor?", "does pymc develop pytensor"),
    ],
)
def test_case_punctuation_order_and_stop_words_do_not_count(expert, candidate):
    assert by_text(expert, candidate) == Judged(True, 1.0)
    assert by_results(expert, candidate, PAGES, []).same


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("egg prices March 2024", "egg prices March 2022"),
        ("egg prices March 2024", "egg prices April 2024"),
        ("Vanderbilt University founding date", "Emory University founding date"),
        ("number of species in Quesnelia", "number of species in Scaevola"),
    ],
)
def test_another_year_month_or_name_is_another_query_whatever_it_finds(expert, candidate):
    assert not by_text(expert, candidate).same
    assert not by_results(expert, candidate, PAGES, PAGES).same


def test_a_name_in_another_form_is_the_same():
    assert by_results("House of Commons in the UK", "House of Commons United Kingdom", PAGES, PAGES).same
    assert by_results("American outlaw Jesse James", "US outlaw Jesse James", PAGES, PAGES).same
    assert by_results("Frances Hodgson Burnett", "Frances Hogson Burnett", PAGES, PAGES).same


def test_queries_are_compared_by_overlap_and_rank():
    assert by_results("outlaw born 1847", "outlaw birth 1847", PAGES, PAGES[:8]).same
    assert not by_results("outlaw born 1847", "outlaw birth 1847", PAGES, PAGES[7:]).same
    assert agreement(PAGES, PAGES[:5]) > agreement(PAGES, PAGES[5:])


def test_evidence_that_the_expert_finds_must_be_found():
    found = by_results("a town", "some town", PAGES, PAGES[1:], {"page 0"})
    assert (found.same, found.reason) == (False, "it does not find page 0, which the trajectory goes on to use")


def test_with_the_evidence_less_overlap_is_enough():
    theirs = ["other 1", "other 2", *PAGES[:6], "other 3", "other 4"]
    assert not by_results("river town", "river mouth settlement", PAGES, theirs).same
    assert by_results("river town", "river mouth settlement", PAGES, theirs, {"page 2"}).same


def test_queries_that_find_nothing_are_not_equal_by_that():
    assert not by_results("qqqq", "zzzz", [], []).same
    assert by_results("qqqq town", "qqqq, a town near", [], []).same


def test_evidence_that_the_expert_does_not_find_is_not_due():
    assert by_results("river town", "river settlement", PAGES, PAGES, {"elsewhere"}).same


def test_names_of_the_conversation_count_in_queries_without_capitals():
    assert by_text("profession kwan", "profession hughes").score > 0
    assert not by_text(
        "profession of stanley kwan", "profession of ken hughes", {"stanley", "kwan", "ken", "hughe"}
    ).same


def test_batches_are_free_in_order_and_compared_query_by_query():
    expert, candidate = ["one", "two"], ["two", "one"]
    assert _batch(expert, candidate) == (True, 1.0, "")


def test_every_query_of_a_batch_must_be_reached():
    same, share, reason = _batch(["one", "two"], ["one", "three"])
    assert (same, share) == (False, 0.5)
    assert reason.startswith("nothing reaches what 'two' does")


def test_many_queries_beside_the_experts_are_refused():
    assert _batch(["one", "two"], ["one", "two", "three"])[0]
    same, _, reason = _batch(["one", "two"], ["one", "two", "three", "four"])
    assert not same
    assert reason == "2 queries beside the expert's, e.g. 'three'"


def test_each_query_needs_one_of_its_own():
    expert = ["founding of Calmere", "founding year of Calmere", "river Wend"]
    same, share, reason = _batch(expert, ["founding of Calmere", "a ferry", "river Wend"])
    assert (same, round(share, 2)) == (False, 0.67)
    assert reason.startswith("nothing but what does for another query reaches what 'founding year of Calmere' does")


def test_one_query_may_do_for_several_where_none_is_beside_it():
    expert = ["founding of Calmere", "founding year of Calmere"]
    assert _batch(expert, ["year of the founding of Calmere"])[0]
    same, _, reason = _batch([*expert, "Calmere founding"], ["Calmere founding year", "a ferry"])
    assert (same, reason) == (False, "1 queries beside the expert's, e.g. 'a ferry'")


def test_a_query_with_another_year_does_not_pass_for_its_neighbour():
    expert = ["egg prices March 2024", "egg prices"]
    assert not _batch(expert, ["egg prices March 2023", "egg prices"])[0]
    assert not _batch(expert, ["egg prices", "egg prices March 2023"])[0]


def _batch(expert, candidate):
    return batch(expert, candidate, lambda one, other: by_text(expert[one], candidate[other]))


@given(st.lists(st.integers(0, 12), unique=True, max_size=10), st.lists(st.integers(0, 12), unique=True, max_size=10))
def test_agreement_is_symmetric_and_bounded(one, other):
    ours, theirs = [*map(str, one)], [*map(str, other)]
    assert agreement(ours, theirs) == pytest.approx(agreement(theirs, ours))
    assert 0.0 <= agreement(ours, theirs) <= 1.0 + 1e-9


@given(st.lists(st.integers(), unique=True, min_size=1, max_size=10))
def test_a_list_agrees_with_itself(items):
    assert rank_biased_overlap([*map(str, items)], [*map(str, items)]) == pytest.approx(1.0)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_queries_are_compared(expert, candidate):
    assert 0.0 <= by_text(expert, candidate).score <= 1.0
