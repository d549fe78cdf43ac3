import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pivotgym.core import Action, Message, Pivot, Profile, Sampling
from pivotgym.core.errors import InputError
from pivotgym.trainer.filter import filter_pivots
from pivotgym.trainer.settings import FilterConfig


def pivot(name, rewards):
    made = Pivot(id=name, domain="d", messages=[Message(role="user", content=name)], reference=Action(content="x"))
    profile = Profile(pivot_digest=made.digest, rewards=rewards, policy="p", format="smollm/1", sampling=Sampling())
    return made.with_profile(profile)


FAILED = pivot("failed", (0.0, 0.0, 0.0, 0.0))
HARD = pivot("hard", (1.0, 0.0, 0.0, 0.0))
MIDDLE = pivot("middle", (1.0, 1.0, 0.0, 0.0))
EASY = pivot("easy", (1.0, 1.0, 1.0, 0.0))
SOLVED = pivot("solved", (1.0, 1.0, 1.0, 1.0))
ALL = [FAILED, HARD, MIDDLE, EASY, SOLVED]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("pivots", [HARD, MIDDLE]),
        ("keep_all", ALL),
        ("drop_easy", [FAILED, HARD, MIDDLE]),
        ("mean_band", [HARD, MIDDLE, EASY]),
    ],
)
def test_rule_keeps(rule, kept):
    found, report = filter_pivots(ALL, FilterConfig(rule=rule, lambda_diff=0.6, band_low=0.25, band_high=0.75))

    assert found == kept
    assert report.by_rule[rule] == len(kept)


def test_threshold_is_strict():
    assert filter_pivots([MIDDLE], FilterConfig(lambda_diff=0.5))[0] == []


def test_report_says_why_each_was_dropped():
    _, report = filter_pivots(ALL, FilterConfig())

    assert report.dropped == {
        "all failed (variance 0)": 1,
        "too easy (mean >= lambda)": 1,
        "all equal (variance 0)": 1,
    }


def test_histogram_counts_every_candidate():
    _, report = filter_pivots(ALL, FilterConfig())

    assert report.histogram == [1, 0, 1, 0, 0, 1, 0, 1, 0, 1]


def test_candidate_whose_samples_failed_on_our_side_is_dropped():
    _, report = filter_pivots([pivot("masked", (None, None, 1.0))], FilterConfig())

    assert report.dropped == {"too few scored samples": 1}


def test_candidate_without_profile_is_named():
    with pytest.raises(InputError, match="pivot 'hard': expected a profile"):
        filter_pivots([HARD.model_copy(update={"profile": None})], FilterConfig())


def test_empty_band_is_refused():
    with pytest.raises(ValidationError, match="band_low: expected at most band_high"):
        FilterConfig(band_low=0.9, band_high=0.1)


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0, None]), min_size=1, max_size=6), max_size=8))
def test_kept_and_dropped_make_the_whole(profiles):
    candidates = [pivot(f"t:{n}", tuple(rewards)) for n, rewards in enumerate(profiles)]

    kept, report = filter_pivots(candidates, FilterConfig())

    assert len(kept) + sum(report.dropped.values()) == report.total == len(candidates)
    assert all(item.profile.variance > 0 and item.profile.mean < 0.6 for item in kept)
