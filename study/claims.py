"""The seven claims of the study, each answered from the raw lines: yes, no or not decided.

Owns: what is claimed, which differences speak of it, how an interval becomes an answer. Does not own: intervals
(`study/statistics`), pages (`study/report`).

Every claim says that a difference is above a bound. `yes`: the interval lies above it. `no`: the interval lies below
what would be worth speaking of, so an effect of that size is excluded. Else it is not decided, and the interval says
which effects are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pivotgym.core.errors import InputError
from pivotgym.study.curves import within
from pivotgym.study.results import Point, Result
from pivotgym.study.statistics import Arm, Estimate, difference

Answer = Literal["yes", "no", "not decided", "no data"]
POOLED = "both"
"""Stands for all domains together: their units side by side, paired by seed."""


@dataclass(frozen=True)
class Gap:
    """One measured difference, `better` minus `worse`, and what it says.

    Attributes:
        domain: Of the training; `both` for all.
        measure: What is compared.
        better: The arm that the claim puts ahead.
        worse: The other.
        estimate: The difference; `None` without data of both arms.
        answer: Of this difference alone.
        sign: -1 where less is better, so that the difference is that of `worse` minus `better`.
    """

    domain: str
    measure: str
    better: str
    worse: str
    estimate: Estimate | None
    answer: Answer
    sign: int = 1

    @property
    def excluded(self) -> str:
        """The effects that the interval excludes, in words."""
        if self.estimate is None:
            return "nothing"
        return f"above {self.estimate.high:+.3f}, below {self.estimate.low:+.3f}"

    @property
    def text(self) -> str:
        """The difference in words, such that above 0 the claim holds."""
        ends = (self.better, self.worse) if self.sign > 0 else (self.worse, self.better)
        return f"{self.measure}: {ends[0]} − {ends[1]}"


@dataclass(frozen=True)
class Comparison:
    """Two arms by a measure; `sign` is -1 where less is better. `small`: the least gain worth speaking of."""

    measure: str
    better: str
    worse: str
    sign: int = 1
    small: float = 0.02


@dataclass(frozen=True)
class Claim:
    """A claim, and the comparisons that all must hold for it. `beside` are shown and do not decide."""

    number: int
    text: str
    deciding: tuple[Comparison, ...]
    beside: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Answered:
    """A claim's answer in one domain, or in all together."""

    claim: Claim
    domain: str
    answer: Answer
    gaps: list[Gap]
    note: str = ""


def _ahead(better: str, worse: str) -> tuple[tuple[Comparison, ...], tuple[Comparison, ...]]:
    return (Comparison("success", better, worse),), (Comparison("pivot_reward", better, worse),)


CLAIMS = (
    Claim(1, "PivotRL beats SFT on the same data in domain", *_ahead("pivotrl", "sft")),
    Claim(
        2,
        "SFT loses more than PivotRL out of domain",
        (Comparison("retention", "pivotrl", "sft"),),
        (
            Comparison("kl", "pivotrl", "sft", sign=-1),
            Comparison("rank_correlation", "pivotrl", "sft"),
            Comparison("text_nll", "pivotrl", "sft", sign=-1),
        ),
    ),
    Claim(3, "The filter adds over random turns", *_ahead("pivotrl", "cand_functional")),
    Claim(
        4,
        "The functional reward adds over the strict one",
        (Comparison("success", "pivotrl", "adv_strict"),),
        (
            Comparison("pivot_reward", "pivotrl", "adv_strict"),
            Comparison("success", "cand_functional", "cand_strict"),
            Comparison("pivot_reward", "cand_functional", "cand_strict"),
        ),
    ),
    Claim(
        5,
        "D_adv + strict sits between D_cand + strict and PivotRL",
        (Comparison("success", "adv_strict", "cand_strict"), Comparison("success", "pivotrl", "adv_strict")),
        (Comparison("pivot_reward", "adv_strict", "cand_strict"), Comparison("pivot_reward", "pivotrl", "adv_strict")),
    ),
    Claim(7, "The mid-difficulty filter beats the low-mean filter", *_ahead("mean_band", "pivotrl")),
)
"""Those that are differences of two arms; the sixth is `matches_end_to_end`."""

END_TO_END = Claim(
    6,
    "PivotRL matches end-to-end RL with at least 4 times fewer rollout turns, profiling counted",
    (Comparison("success", "pivotrl", "e2e", small=0.05),),
)


def answer_of(estimate: Estimate, small: float) -> Answer:
    """What an interval says of "the difference is above 0"."""
    if estimate.low > 0:
        return "yes"
    return "no" if estimate.high < small else "not decided"


def answer_claims(results: Sequence[Result], *, times: float = 4.0) -> list[Answered]:
    """Every claim in every domain and, where there are several, in all together.

    Args:
        results: Raw lines.
        times: How many times more turns end-to-end RL is given in claim 6.
    """
    domains = sorted({row.domain for row in results})
    places = [[name] for name in domains] + ([domains] if len(domains) > 1 else [])
    answered = [
        answer
        for claim in CLAIMS
        for answer in [_answer(claim, [row for row in results if row.domain in place]) for place in places]
    ]
    answered += [matches_end_to_end([row for row in results if row.domain in place], times=times) for place in places]
    return sorted(answered, key=lambda one: one.claim.number)


def values(results: Sequence[Result], arm: str, measure: str) -> Arm:
    """A measure of one arm: seed -> unit -> value; units of several domains carry the domain's name."""
    found: dict[int, dict[str, float]] = {}
    rows = [row for row in results if row.arm == arm and row.measures.get(measure)]
    for row in rows:
        units = {f"{row.domain}/{unit}": value for unit, value in row.measures[measure].items()}
        found.setdefault(row.seed, {}).update(units)
    # A seed that is done in one domain only would leave the others no unit in common.
    count, domains = Counter(row.seed for row in rows), {row.domain for row in results}
    return {seed: units for seed, units in found.items() if count[seed] == len(domains)}


def _answer(claim: Claim, results: Sequence[Result]) -> Answered:
    gaps = [_gap(one, results) for one in claim.deciding]
    return Answered(
        claim,
        _place(results),
        _joined([gap.answer for gap in gaps]),
        gaps + [_gap(one, results) for one in claim.beside],
    )


def _joined(answers: Sequence[Answer]) -> Answer:
    """All must hold; one that does not settles it."""
    for decisive in ("no data", "no", "not decided"):
        if decisive in answers:
            return decisive
    return "yes"


def _gap(comparison: Comparison, results: Sequence[Result]) -> Gap:
    better, worse = (values(results, arm, comparison.measure) for arm in (comparison.better, comparison.worse))
    first, second = (worse, better) if comparison.sign > 0 else (better, worse)
    estimate = _difference(first, second)
    return Gap(
        _place(results),
        comparison.measure,
        comparison.better,
        comparison.worse,
        estimate,
        "no data" if estimate is None else answer_of(estimate, comparison.small),
        comparison.sign,
    )


def _difference(first: Arm, second: Arm) -> Estimate | None:
    try:
        return difference(first, second)
    except InputError:
        return None


def _place(results: Sequence[Result]) -> str:
    names = {row.domain for row in results}
    return next(iter(names)) if len(names) == 1 else POOLED


def matches_end_to_end(results: Sequence[Result], *, times: float = 4.0, margin: float = 0.05) -> Answered:
    """Claim 6: at the end of PivotRL's run, end-to-end RL with `times` as many turns is at most `margin` ahead.

    Both are measured on the tasks of the curve. End-to-end RL is taken at its last checkpoint within that budget; if
    its runs ended before, the claim cannot be decided. Nor can it where end-to-end RL has not left the base by then:
    to match it would say nothing, unless PivotRL is ahead of it.

    Args:
        results: Raw lines.
        times: How many times more turns it is given, profiling counted on PivotRL's side.
        margin: How far ahead it may be, in success.
    """
    short, ours, theirs, start = _budgets(results, times)
    place, comparison = _place(results), END_TO_END.deciding[0]
    estimate = _difference(theirs, ours)
    if estimate is None:
        gap = Gap(place, "success", "pivotrl", "e2e", None, "no data")
        return Answered(END_TO_END, place, "no data", [gap])
    answer: Answer = "yes" if estimate.low > -margin else "no" if estimate.high < -margin else "not decided"
    note = f"allowed to be behind by {margin}"
    if answer != "no" and short:
        answer, note = "not decided", f"end-to-end RL ended before {times:g} times the turns in {short} runs"
    gained = _difference(start, theirs)
    if answer == "yes" and estimate.low <= 0 and (gained is None or gained.low <= 0):
        answer, note = "not decided", "end-to-end RL has not left the base at this budget: there is nothing to match"
    gap = Gap(place, "success", comparison.better, comparison.worse, estimate, answer)
    return Answered(END_TO_END, place, answer, [gap], note)


def _budgets(results: Sequence[Result], times: float) -> tuple[int, Arm, Arm, Arm]:
    """How many end-to-end runs fall short; success of PivotRL, of end-to-end RL at the budget, and of its start."""
    rows = {(row.domain, row.arm, row.seed): row for row in results if row.curve}
    short = 0
    found: tuple[dict[int, dict[str, float]], ...] = ({}, {}, {})
    for (domain, arm, seed), row in rows.items():
        other = rows.get((domain, "e2e", seed))
        if arm != "pivotrl" or other is None:
            continue
        budget = times * row.curve[-1].cost.turns
        short += other.curve[-1].cost.turns < budget
        points: tuple[Point, ...] = (row.curve[-1], within(other.curve, budget), other.curve[0])
        for arms, point in zip(found, points, strict=True):
            arms.setdefault(seed, {}).update({f"{domain}/{task}": value for task, value in point.success.items()})
    return short, found[0], found[1], found[2]
