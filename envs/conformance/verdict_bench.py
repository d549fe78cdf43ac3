"""How often verdicts agree with labelled cases: ours beside exact match and NeMo Gym's rules.

Owns: running cases through each domain's real `Runtime`, and the metrics. Does not own: reading cases
(`envs.conformance.verdict_cases`), the verdicts themselves (`verifiers/`), printing (`cli/`).

A case is decided from its row alone. An error is counted as an error, under its code, and never as a verdict; a case
whose domain is not installed is one. Kinds of `WORLD_KNOWLEDGE` can only be decided by knowing the world ("LA" is Los
Angeles) and are reported apart: the headline figures leave them out, `with_world_knowledge` has them.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pivotgym.core.errors import PivotGymError
from pivotgym.core.trajectory import Verdict
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.verdict_cases import VerdictCase

WORLD_KNOWLEDGE = frozenset({"pos_alt_gold_value"})
"""Kinds whose label rests on knowledge of the world that no rule over the row has."""

_SINGLE_STEP = "nemo_gym.single_step_tool_use_with_argument_comparison"
METHODS: Mapping[str, Mapping[str, str]] = {
    "pivotgym": {"": "functional"},
    "exact_match": {"": "strict"},
    "nemo_gym": {
        "": _SINGLE_STEP,
        "browsing": _SINGLE_STEP + "?word_count_similarity_threshold=0.3",
        "swe": "nemo_gym.swe_pivot",
        "terminal": "nemo_gym.terminal_multi_harness?harness=opencode",
    },
}
"""Methods by name in the report; the values are the rules that `Runtime.verify` is asked for, by domain, with `""` for
all others. NeMo Gym's verifiers and options are those that its shipped configurations name for that kind of data.
`terminal_multi_harness` goes by the tools of a harness: where a row names none, a call of `bash` is accepted with any
command. So the harness is `opencode` here, whose `bash` has a `command` that is compared (`difflib` ratio from 0.9)."""


@dataclass(frozen=True)
class Result:
    """What one method said of one case.

    Attributes:
        case: The case.
        verdict: The verdict, or `None` where there was an error.
        error: The error's code, or `None`.
        message: The verdict's reason, or the error's message.
        seconds: Wall time of the call, with whatever state it had to build.
    """

    case: VerdictCase
    verdict: Verdict | None
    error: str | None
    message: str
    seconds: float

    @property
    def accepted(self) -> bool:
        """Whether the candidate was called equivalent."""
        return self.verdict is not None and self.verdict.outcome == "equivalent"

    @property
    def wrong(self) -> bool:
        """Whether there is a verdict, and another one than the label."""
        return self.verdict is not None and self.accepted != self.case.equivalent


class VerdictBench:
    """Runs cases, with one runtime per domain, found by its entry point.

    Args:
        runtime_of: Makes the runtime of a domain; by default from the installed one.
        methods: As `METHODS`.
    """

    def __init__(
        self, *, runtime_of: Callable[[str], Runtime] | None = None, methods: Mapping[str, Mapping[str, str]] = METHODS
    ) -> None:
        self._make = runtime_of or (lambda name: Runtime(load_domain(name)))
        self._methods = methods
        self._runtimes: dict[str, Runtime | PivotGymError] = {}

    def run(
        self, cases: Sequence[VerdictCase], *, on_progress: Callable[[int, int], None] | None = None
    ) -> dict[str, list[Result]]:
        """The results of each method, in the order of the cases."""
        results: dict[str, list[Result]] = {name: [] for name in self._methods}
        try:
            for done, case in enumerate(cases, start=1):
                for name, rules in self._methods.items():
                    results[name].append(self._one(case, rules.get(case.domain, rules[""])))
                if on_progress is not None:
                    on_progress(done, len(cases))
        finally:
            self._close()
        return results

    def _one(self, case: VerdictCase, rule: str) -> Result:
        began = time.perf_counter()
        try:
            verdict = self._runtime(case.domain).verify(case.pivot, case.candidate, rule=rule)
        except PivotGymError as error:
            return Result(case, None, error.code, str(error), time.perf_counter() - began)
        return Result(case, verdict, None, verdict.reason, time.perf_counter() - began)

    def _runtime(self, domain: str) -> Runtime:
        if domain not in self._runtimes:
            try:
                self._runtimes[domain] = self._make(domain)
            except PivotGymError as error:
                self._runtimes[domain] = error
        found = self._runtimes[domain]
        if isinstance(found, PivotGymError):
            raise type(found)(found.message, hint=found.hint)
        return found

    def _close(self) -> None:
        for runtime in self._runtimes.values():
            if isinstance(runtime, Runtime):
                runtime.close()
        self._runtimes.clear()


def metrics(results: Iterable[Result]) -> dict[str, Any]:
    """Agreement with the labels, over the verdicts; a rate without cases is `None`.

    Returns:
        `cases`, `verdicts`, `errors`, `errors_by_code`, `balanced_accuracy` (mean of the shares of equivalent cases
        accepted and of different cases refused), `accuracy`, `false_accept_rate` (of the different cases),
        `false_reject_rate` (of the equivalent ones), `executed` (share of verdicts), `ms_per_verdict` (mean, `p50`,
        `p95`, `max`, states built included).
    """
    everything = list(results)
    decided = [result for result in everything if result.verdict is not None]
    same = [result for result in decided if result.case.equivalent]
    other = [result for result in decided if not result.case.equivalent]
    accepts, rejects = _share(other, lambda one: one.accepted), _share(same, lambda one: not one.accepted)
    return {
        "cases": len(everything),
        "verdicts": len(decided),
        "errors": len(everything) - len(decided),
        "errors_by_code": dict(Counter(result.error for result in everything if result.error is not None)),
        "balanced_accuracy": None if accepts is None or rejects is None else 1 - (accepts + rejects) / 2,
        "accuracy": _share(decided, lambda one: not one.wrong),
        "false_accept_rate": accepts,
        "false_reject_rate": rejects,
        "executed": _share(decided, lambda one: one.verdict is not None and one.verdict.executed),
        "ms_per_verdict": _times([1000 * result.seconds for result in decided]),
    }


def report(results: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    """What `pivotgym bench verdicts --json` writes: `methods`, and our method's wrong verdicts and errors one by one.

    Each method has the metrics over the kinds that need no world knowledge, the same `with_world_knowledge`, those
    kinds alone under `world_knowledge`, and all kinds, domains and origins one by one.
    """
    return {
        "schema_version": 1,
        "world_knowledge_kinds": sorted(WORLD_KNOWLEDGE),
        "methods": {name: _of_method(found) for name, found in results.items()},
        "disagreements": [_described(one) for one in results.get("pivotgym", ()) if one.wrong or one.error],
    }


def _of_method(results: Sequence[Result]) -> dict[str, Any]:
    known = [result for result in results if result.case.kind in WORLD_KNOWLEDGE]
    return {
        **metrics(result for result in results if result.case.kind not in WORLD_KNOWLEDGE),
        "with_world_knowledge": metrics(results),
        "world_knowledge": metrics(known),
        "by_kind": _grouped(results, lambda case: case.kind),
        "by_domain": _grouped(results, lambda case: case.domain),
        "by_origin": _grouped(results, lambda case: case.pivot.origin.kind),
    }


def _grouped(results: Sequence[Result], key: Callable[[VerdictCase], str]) -> dict[str, Any]:
    names = sorted({key(result.case) for result in results})
    return {name: metrics(result for result in results if key(result.case) == name) for name in names}


def _described(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "id": case.id,
        "kind": case.kind,
        "group": case.group,
        "equivalent": case.equivalent,
        "outcome": None if result.verdict is None else result.verdict.outcome,
        "method": None if result.verdict is None else result.verdict.method,
        "error": result.error,
        "message": result.message,
    }


def _share(results: Sequence[Result], holds: Callable[[Result], bool]) -> float | None:
    return sum(map(holds, results)) / len(results) if results else None


def _times(milliseconds: Sequence[float]) -> dict[str, float] | None:
    if not milliseconds:
        return None
    ranked = sorted(milliseconds)
    return {
        "mean": statistics.fmean(ranked),
        "p50": statistics.median(ranked),
        "p95": ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))],
        "max": ranked[-1],
    }
