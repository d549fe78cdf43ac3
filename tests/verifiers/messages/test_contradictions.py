"""Which texts contradict each other, and how much finding it may cost."""

import tracemalloc

import pytest

from pivotgym.verifiers.messages.contradictions import contradiction


def test_a_passage_of_many_ids_and_values_takes_little_memory() -> None:
    passage = " ".join(f"W{at} ${at}.50" for at in range(1000))
    tracemalloc.start()
    try:
        assert contradiction(passage, f"{passage} too") is None
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("run", ["1", "a", ".", "("])
def test_a_long_run_without_spaces_costs_as_much_per_character_as_a_short_one(run: str) -> None:
    """A quadratic search would look at 10^10 places here and not come back."""
    assert contradiction(run * 150_000, f"{run * 150_000} too") is None


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("#W123 was approved.", "#W123 was denied."),
        ("They approved it.", "They deny it."),
        ("Seat 4A is available.", "Seat 4A is unavailable."),
        ("It is eligible for a refund.", "It is ineligible for a refund."),
        ("The payment was successful.", "The payment failed."),
        ("The payment was successful.", "The payment was not successful."),
        ("I can cancel ABC123.", "I can book ABC123."),
        ("I can't cancel ABC123.", "I cannot book ABC123."),
        ("It must be sent before May 3.", "It must be sent after May 3."),
    ],
)
def test_opposites_contradict_each_other_both_ways(expert: str, candidate: str) -> None:
    assert contradiction(expert, candidate)
    assert contradiction(candidate, expert)


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("Seat 4A is unavailable.", "Seat 4A is not available."),
        ("It is ineligible for a refund.", "It isn't eligible for a refund."),
        ("The payment was unsuccessful.", "The payment was not successful."),
        ("The payment was not successful.", "The payment failed."),
        ("The form is incomplete.", "The form is not yet complete."),
        ("Please reply yes before I cancel ABC123.", "After you reply yes, I will cancel ABC123."),
    ],
)
def test_the_same_in_another_form_is_no_contradiction(expert: str, candidate: str) -> None:
    assert contradiction(expert, candidate) is None
    assert contradiction(candidate, expert) is None


@pytest.mark.parametrize(
    ("expert", "candidate", "found"),
    [
        ("Your flight leaves on Monday.", "Your flight leaves on Tuesday.", True),
        ("It was sent yesterday.", "It is sent tomorrow.", True),
        ("Your flight leaves on Monday.", "On Monday your flight leaves.", False),
        ("It leaves on Monday.", "It leaves tomorrow.", False),
    ],
)
def test_another_day_contradicts(expert: str, candidate: str, found: bool) -> None:
    assert (contradiction(expert, candidate) is not None) == found
