"""Profiled candidates -> pivot set.

Owns: the filter rules of PivotRL (Eq. 5) and its variants, and the account of what each drops. Does not own: profiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pivotgym.core.errors import InputError
from pivotgym.core.trajectory import Pivot, Profile
from pivotgym.trainer.settings import FilterConfig, Rule


@dataclass(frozen=True)
class FilterReport:
    """What a filter kept and why it dropped the rest.

    Attributes:
        total: Candidates seen.
        kept: Candidates kept.
        dropped: Reason -> count.
        histogram: Counts of candidates by mean reward in ten bins of [0, 1], the last closed.
        by_rule: For every rule, with the same thresholds, how many it would keep.
    """

    total: int
    kept: int
    dropped: dict[str, int]
    histogram: list[int]
    by_rule: dict[str, int]


def verdict_on(profile: Profile, config: FilterConfig) -> str | None:
    """Why a profile is dropped under a config, or `None` where it is kept."""
    if profile.k < config.min_scored:
        return "too few scored samples"
    if config.rule == "keep_all":
        return None
    if config.rule in ("pivots", "mean_band") and profile.variance == 0:
        return "all failed (variance 0)" if profile.mean == 0 else "all equal (variance 0)"
    if config.rule == "mean_band":
        return None if config.band_low <= profile.mean <= config.band_high else "outside the mean band"
    return None if profile.mean < config.lambda_diff else "too easy (mean >= lambda)"


def filter_pivots(candidates: Iterable[Pivot], config: FilterConfig) -> tuple[list[Pivot], FilterReport]:
    """Keep the candidates that the rule keeps, in order.

    Raises:
        InputError: If a candidate has no profile.
    """
    candidates = list(candidates)
    dropped: Counter[str] = Counter()
    kept = []
    for pivot in candidates:
        reason = verdict_on(_profile(pivot), config)
        if reason is None:
            kept.append(pivot)
        else:
            dropped[reason] += 1
    rules: Sequence[Rule] = ("pivots", "keep_all", "drop_easy", "mean_band")
    by_rule: dict[str, int] = {
        rule: sum(verdict_on(_profile(pivot), config.model_copy(update={"rule": rule})) is None for pivot in candidates)
        for rule in rules
    }
    return kept, FilterReport(len(candidates), len(kept), dict(dropped), _histogram(candidates), by_rule)


def _profile(pivot: Pivot) -> Profile:
    if pivot.profile is None:
        raise InputError(f"pivot {pivot.id!r}: expected a profile, found none", hint="run `pivotgym profile` first")
    return pivot.profile


def _histogram(candidates: list[Pivot]) -> list[int]:
    bins = [0] * 10
    for pivot in candidates:
        bins[min(9, int(_profile(pivot).mean * 10 + 1e-9))] += 1
    return bins
