"""Evidence, texts and charts as the page shows them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.servers.gateway.web import charts, shown
from pivotgym.servers.gateway.web.models import Curve, ProfileShown

NUMBERS = st.floats(-1e300, 1e300)
EVIDENCE = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["expert", "candidate", "expected", "got", "x", "expert_y"]), inner)
    ),
    max_leaves=8,
)


def rows(evidence: dict[str, object]) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(row.what, row.expert, row.candidate, row.note) for row in shown.evidence_rows(evidence)]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"files": {"a.txt": {"expert": "1", "candidate": "2"}}}, [("files › a.txt", "1", "2", None)]),
        ({"expert": "1", "candidate": None}, [("evidence", "1", "(nothing)", None)]),
        ({"expected": ["a"], "got": []}, [("evidence", '["a"]', "[]", None)]),
        ({"state": {"expert_changed": True, "candidate_changed": False}}, [("state › changed", "true", "false", None)]),
        (
            {"expert": {"url": "/a", "title": "T"}, "candidate": {"url": "/b", "title": "T"}},
            [("evidence › url", "/a", "/b", None)],
        ),
        ({"facts": ["x"], "text": "y"}, [("facts", None, None, '["x"]'), ("text", None, None, "y")]),
        ({}, []),
    ],
)
def test_two_sides_stand_beside_each_other(evidence: dict[str, object], expected: list[object]) -> None:
    assert rows(evidence) == expected


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=3), EVIDENCE, max_size=4))
def test_any_evidence_becomes_rows(evidence: dict[str, object]) -> None:
    assert len(rows(evidence)) <= shown.MOST_ROWS + 1


def test_much_evidence_is_cut_and_says_so() -> None:
    many = shown.evidence_rows({str(number): number for number in range(1000)})

    assert len(many) == shown.MOST_ROWS + 1
    assert many[-1].note is not None


def test_long_text_is_cut_and_says_how_much_is_left() -> None:
    assert shown.cut("x" * (shown.MOST_TEXT + 1234)).endswith("… 1,234 more characters")


@settings(max_examples=40, deadline=None)
@given(NUMBERS, NUMBERS)
def test_ticks_are_few_and_enclose_the_values(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = charts.nice_ticks(low, charts.above(low, high))

    assert 2 <= len(ticks) <= 12
    slack = 1e-6 * (ticks[-1] - ticks[0])
    assert ticks[0] - slack <= low <= high <= ticks[-1] + slack
    assert ticks == sorted(ticks)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20, unique_by=lambda point: point[0]))
def test_any_curve_stays_inside_its_box(points: list[tuple[float, float]]) -> None:
    points = sorted(points)
    drawn = Curve(name="x", title="X", what="", steps=[x for x, _ in points], values=[y for _, y in points])
    chart = charts.curve(drawn)

    assert all(math.isfinite(x) and math.isfinite(y) for x, y in chart.dots)
    assert all(chart.left - 1 <= x <= chart.right + 1 and chart.top - 1 <= y <= chart.bottom + 1 for x, y in chart.dots)


def test_curve_says_in_words_what_it_shows() -> None:
    chart = charts.curve(Curve(name="kl", title="KL", what="", steps=[1, 2, 3], values=[0.0, 0.5, 0.25]))

    assert chart.text == "KL: 3 points from step 1 to 3; first 0, last 0.25, lowest 0, highest 0.5"


def test_histogram_has_the_threshold_and_both_kinds_of_candidates() -> None:
    bins, flat = [4, 0, 0, 0, 0, 2, 0, 0, 0, 1], [3, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    profile = ProfileShown(candidates=7, bins=bins, flat=flat, kept=3, rule="pivots", lambda_diff=0.5, dropped={})
    chart = charts.histogram(profile)
    first = chart.bars[0]

    assert chart.mark == pytest.approx((chart.left + chart.right) / 2)
    assert first.flat_height == pytest.approx(3 * first.rest_height, abs=0.1)
    assert first.label == "0.0 to 0.1: 4 candidates, 3 of them without variance"
