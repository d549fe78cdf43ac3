"""Planted effects are found, and where there is none none is claimed more often than the level says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_results import curve, planted

from pivotgym.core.errors import InputError
from pivotgym.study.claims import answer_claims, answer_of, matches_end_to_end, values
from pivotgym.study.curves import cost_to, mean_curve
from pivotgym.study.results import Result
from pivotgym.study.statistics import Estimate, difference, mean


def answers(results):
    return {one.claim.number: one.answer for one in answer_claims(results)}


def arms(**curves):
    return [
        Result(domain="toy", arm=arm, seed=seed, settings="s", curve=points)
        for arm, points in curves.items()
        for seed in range(3)
    ]


def test_a_planted_effect_is_found():
    assert answers(planted({"sft": 0.3, "pivotrl": 0.6}))[1] == "yes"


def test_the_opposite_of_a_claim_is_a_no():
    assert answers(planted({"sft": 0.6, "pivotrl": 0.3}))[1] == "no"


def test_too_little_data_for_a_small_effect_decides_nothing():
    assert answers(planted({"sft": 0.4, "pivotrl": 0.42}, seeds=3, tasks=20))[1] == "not decided"


def test_arms_that_were_not_run_are_no_data():
    assert answers(planted({"sft": 0.3}))[1] == "no data"


def test_between_takes_both_steps():
    between = planted({"cand_strict": 0.2, "adv_strict": 0.45, "pivotrl": 0.7})
    flat = planted({"cand_strict": 0.45, "adv_strict": 0.2, "pivotrl": 0.7})

    assert (answers(between)[5], answers(flat)[5]) == ("yes", "no")


def test_where_less_is_better_the_smaller_one_is_ahead():
    results = planted({"sft": 0.7, "pivotrl": 0.2}, measure="kl")

    (claim,) = (one for one in answer_claims(results) if one.claim.number == 2)

    assert {gap.measure: gap.answer for gap in claim.gaps}["kl"] == "yes"


def test_domains_are_answered_apart_and_together():
    results = planted({"sft": 0.3, "pivotrl": 0.6}, domain="a") + planted({"sft": 0.3, "pivotrl": 0.6}, domain="b")

    places = [one.domain for one in answer_claims(results) if one.claim.number == 1]

    assert places == ["a", "b", "both"]
    assert len(values(results, "sft", "success")[0]) == 120


@pytest.mark.parametrize("seed_spread", [0.0, 0.15])
def test_identical_arms_are_called_different_no_more_often_than_the_level_says(seed_spread):
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(300):
        results = planted({"sft": 0.4, "pivotrl": 0.4}, tasks=30, seed_spread=seed_spread, rng=rng)
        gap = difference(values(results, "sft", "success"), values(results, "pivotrl", "success"))
        found += gap.low > 0
    # One side of 95 % is 2.5 %: 7.5 of 300; 15 and more have a chance of 1 % then.
    assert found < 15


def test_tasks_that_differ_between_arms_do_not_count_as_many_seeds():
    """An arm that is better on some tasks and worse on others is not better on tasks like these."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        effect = rng.normal(0, 0.5, 12)
        first = {seed: {f"t{n}": 0.0 for n in range(12)} for seed in range(5)}
        second = {seed: {f"t{n}": float(x + rng.normal(0, 0.05)) for n, x in enumerate(effect)} for seed in range(5)}
        found += difference(first, second).low > 0
    assert found < 15


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.001, 0.2))
def test_an_answer_is_what_the_interval_says(centre, half, small):
    found = answer_of(Estimate(centre, centre - half, centre + half, 5, 50), small)

    assert (found == "yes") == (centre - half > 0)
    assert found != "no" or centre + half < small


@given(st.integers(2, 6), st.integers(2, 12), st.floats(-2, 2))
def test_the_same_everywhere_is_known_to_three_cells(seeds, units, gap):
    first = {seed: {str(unit): 0.0 for unit in range(units)} for seed in range(seeds)}
    second = {seed: {str(unit): gap for unit in range(units)} for seed in range(seeds)}

    found = difference(first, second)

    assert found.mean == pytest.approx(gap)
    assert (found.low, found.high) == pytest.approx((gap - 3 / (seeds * units), gap + 3 / (seeds * units)))


def test_swapped_arms_mirror_the_interval():
    first, second = ({s: {str(t): (s * t * k) % 3 / 2 for t in range(9)} for s in range(4)} for k in (1, 2))

    there, back = difference(first, second), difference(second, first)

    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_units_that_a_run_lacks_are_dropped_and_counted():
    found = difference({0: {"a": 0.0, "b": 0.0}, 1: {"a": 0.0}}, {0: {"a": 1.0, "b": 0.0}, 1: {"a": 1.0}})

    assert (found.mean, found.units, found.dropped) == (1.0, 1, 1)


def test_arms_without_a_seed_in_common_are_refused():
    with pytest.raises(InputError, match="expected seeds in common, got none"):
        difference({0: {"a": 1.0}}, {1: {"a": 1.0}})


def test_arms_without_a_unit_in_common_are_refused():
    with pytest.raises(InputError, match="expected units in common, got none"):
        difference({0: {"a": 1.0}}, {0: {"b": 1.0}})


def test_mean_of_an_arm():
    assert mean({0: {"a": 1.0, "b": 0.0}, 1: {"a": 1.0, "b": 0.0}}).mean == 0.5


def test_matching_at_a_quarter_of_the_turns_is_a_yes():
    results = arms(pivotrl=curve((0, 0.1), (100, 0.5)), e2e=curve((0, 0.1), (400, 0.5), (600, 0.9)))

    assert matches_end_to_end(results).answer == "yes"


def test_end_to_end_ahead_within_the_budget_is_a_no():
    results = arms(pivotrl=curve((0, 0.1), (100, 0.3)), e2e=curve((0, 0.1), (300, 0.9), (600, 0.9)))

    assert matches_end_to_end(results).answer == "no"


def test_end_to_end_that_ended_before_the_budget_decides_nothing():
    results = arms(pivotrl=curve((0, 0.1), (100, 0.5)), e2e=curve((0, 0.1), (300, 0.5)))

    found = matches_end_to_end(results)

    assert (found.answer, found.note) == ("not decided", "end-to-end RL ended before 4 times the turns in 3 runs")


def test_matching_a_run_that_learnt_nothing_decides_nothing():
    results = arms(pivotrl=curve((0, 0.5), (100, 0.5)), e2e=curve((0, 0.5), (400, 0.5)))

    assert matches_end_to_end(results).note.endswith("there is nothing to match")


def test_turns_to_a_level_lie_between_two_checkpoints():
    points = mean_curve(arms(pivotrl=curve((0, 0.0), (100, 0.2), (200, 0.6))), "pivotrl")

    assert cost_to(points, 0.4).turns == pytest.approx(150)
    assert cost_to(points, 0.0).turns == 0
    assert cost_to(points, 0.7) is None
