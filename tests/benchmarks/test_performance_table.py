from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def run() -> Iterator[Any]:
    sys.path.insert(0, str(BENCHMARKS))
    yield import_module("run_table")
    sys.path.remove(str(BENCHMARKS))


def table(**figures: float) -> dict[str, Any]:
    about = {"cores": 2, "processor": "p", "python": "3", "load_before": 0.0}
    return {"machine": about, "unit_ms": 0.1, "rows": [{"name": "verify", **figures}]}


@pytest.mark.parametrize("now", [{"ratio": 1.19, "rss_mb": 60}, {"ratio": 0.2, "rss_mb": 71}])
def test_what_is_at_most_a_fifth_above_is_not_worse(run: Any, now: dict[str, float]) -> None:
    assert run.worse(table(ratio=1.0, rss_mb=60), table(**now)) == []


def test_what_is_more_than_a_fifth_above_is_worse(run: Any) -> None:
    told = run.worse(table(ratio=1.0, rss_mb=60), table(ratio=1.21, rss_mb=73))
    assert told == ["verify: ratio was 1.00, is 1.21", "verify: rss_mb was 60.00, is 73.00"]


def test_what_was_not_measured_counts_as_worse(run: Any) -> None:
    told = run.worse(table(ratio=1.0), {**table(), "rows": [{"name": "verify", "skipped": "no Chromium"}]})
    assert told == ["verify: ratio was 1.00, and was not measured now"]


def test_times_by_the_clock_are_never_compared(run: Any) -> None:
    assert run.worse(table(wall_ms=1.0, p99_ms=1.0, per_s=100), table(wall_ms=9.0, p99_ms=9.0, per_s=1)) == []


def test_page_says_what_was_not_measured_and_why(run: Any) -> None:
    page = run.markdown({**table(), "rows": [{"name": "pages", "skipped": "no Chromium\nhere"}]})
    assert "| pages | not measured: no Chromium here | | | | | |" in page
