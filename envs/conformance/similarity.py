"""The best that string similarity can do: scorer and threshold tuned on one half of the cases, scored on the other.

Owns: the halves, the tuning, and the verdicts. Does not own: the scorers (`rapidfuzz`), or metrics
(`envs.conformance.verdict_bench`).

Cases are split by group, so that no task is in both halves. For each domain the scorer and threshold with the highest
balanced accuracy on one half decide the other half's cases, and the other way round: every case is decided, none by
what was tuned on it or on its task. This is as kind to string similarity as it can be: a user has no labels to tune on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rapidfuzz import distance, fuzz

from pivotgym.core.trajectory import Verdict
from pivotgym.envs.conformance.verdict_bench import Result, timed
from pivotgym.envs.conformance.verdict_cases import VerdictCase
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.strict import spelled

SCORERS: Mapping[str, Callable[[str, str], float]] = {
    "ratio": lambda one, other: fuzz.ratio(one, other) / 100,
    "partial_ratio": lambda one, other: fuzz.partial_ratio(one, other) / 100,
    "token_sort_ratio": lambda one, other: fuzz.token_sort_ratio(one, other) / 100,
    "token_set_ratio": lambda one, other: fuzz.token_set_ratio(one, other) / 100,
    "levenshtein": distance.Levenshtein.normalized_similarity,
    "jaro_winkler": distance.JaroWinkler.normalized_similarity,
}
"""What is tried, each in [0, 1], 1 for equal texts."""


@dataclass(frozen=True)
class Tuned:
    """A scorer, and the similarity from which it accepts."""

    scorer: str
    threshold: float

    def accepts(self, case: VerdictCase) -> bool:
        """Whether a case's two actions are similar enough."""
        return similarity(self.scorer, case) >= self.threshold


def similarity(scorer: str, case: VerdictCase) -> float:
    """How alike a case's two actions are, written as JSON, in [0, 1]."""
    return SCORERS[scorer](spelled(case.pivot.reference), spelled(case.candidate))


def halves(cases: Iterable[VerdictCase]) -> tuple[list[VerdictCase], list[VerdictCase]]:
    """Two halves of the groups, by a hash of their names; each keeps the order of its cases."""
    found = list(cases)
    ranked = sorted({case.group for case in found}, key=lambda group: hashlib.sha256(group.encode()).digest())
    first = set(ranked[::2])
    return [case for case in found if case.group in first], [case for case in found if case.group not in first]


def tune(cases: Sequence[VerdictCase]) -> Tuned:
    """The scorer and threshold with the highest balanced accuracy on some cases; the stricter of equal ones."""
    best, chosen = -1.0, Tuned("ratio", 1.0)
    for scorer in SCORERS:
        scores = [similarity(scorer, case) for case in cases]
        for threshold in sorted({*scores, 1.0}, reverse=True):
            reached = _accuracy(
                [(score >= threshold, case.equivalent) for score, case in zip(scores, cases, strict=True)]
            )
            if reached > best:
                best, chosen = reached, Tuned(scorer, threshold)
    return chosen


def tuned_similarity(cases: Sequence[VerdictCase]) -> tuple[list[Result], dict[str, list[Tuned]]]:
    """The verdicts on all cases, in their order, and what was tuned on each half by domain."""
    results: dict[int, Result] = {}
    tuned: dict[str, list[Tuned]] = {}
    for domain in sorted({case.domain for case in cases}):
        one, other = halves(case for case in cases if case.domain == domain)
        tuned[domain] = [tune(one), tune(other)]
        for rule, scored in zip(tuned[domain], (other, one), strict=True):
            results.update((id(case), timed(case, partial(_verdict, rule, case))) for case in scored)
    return [results[id(case)] for case in cases], tuned


def _verdict(rule: Tuned, case: VerdictCase) -> Verdict:
    score = similarity(rule.scorer, case)
    reason = f"{rule.scorer} is {score:.3f}, accepted from {rule.threshold:.3f}"
    return decided(score >= rule.threshold, "similarity", False, reason, {"similarity": score})


def _accuracy(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Balanced accuracy of (accepted, equivalent); a class without cases counts as half right."""
    shares = []
    for label in (True, False):
        said = [accepted == label for accepted, equivalent in pairs if equivalent == label]
        shares.append(sum(said) / len(said) if said else 0.5)
    return sum(shares) / 2
