import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError
from pivotgym.trainer.stats import difference_interval, mean_interval

CLUSTERS = st.dictionaries(
    st.text(min_size=1), st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=5), min_size=1, max_size=8
)


@given(CLUSTERS)
def test_mean_lies_in_its_interval_and_both_in_range(values):
    found = mean_interval(values, resamples=200)

    assert 0 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1 + 1e-12


def test_mean_weighs_values_not_trajectories():
    assert mean_interval({"a": [1.0], "b": [0.0, 0.0, 0.0]}).mean == 0.25


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        rates = rng.beta(2, 3, size=60)
        values = {str(n): list((rng.random(4) < rate).astype(float)) for n, rate in enumerate(rates)}
        found = mean_interval(values, resamples=500, seed=trial)
        covered += found.low <= 0.4 <= found.high

    assert covered / 200 > 0.88


def test_copies_within_a_trajectory_do_not_narrow_the_interval():
    once = mean_interval({str(n): [float(n % 2)] for n in range(40)})
    copied = mean_interval({str(n): [float(n % 2)] * 10 for n in range(40)})

    assert copied.high - copied.low == pytest.approx(once.high - once.low)


def test_paired_difference_is_narrower_than_the_arms():
    rng = np.random.default_rng(1)
    first = {str(n): [float(rng.random() < 0.5)] for n in range(80)}
    second = {key: [max(values[0], float(key < "3"))] for key, values in first.items()}

    gap = difference_interval(first, second)

    assert gap.low > 0
    assert gap.high - gap.low < mean_interval(first).high - mean_interval(first).low


def test_no_values_is_an_error():
    with pytest.raises(InputError, match="at least one reward, got none"):
        mean_interval({"a": []})


def test_nothing_in_common_is_an_error():
    with pytest.raises(InputError, match="trajectories in common, got none"):
        difference_interval({"a": [1.0]}, {"b": [1.0]})
