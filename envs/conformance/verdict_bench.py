"""How often verdicts agree with labelled cases: ours beside exact match, NeMo Gym's rules and a judge.

Owns: running cases through each domain's real `Runtime`, and the metrics. Does not own: reading cases
(`envs.conformance.verdict_cases`), string similarity (`envs.conformance.similarity`), intervals
(`envs.conformance.intervals`), the verdicts themselves (`verifiers/`), the page (`envs.conformance.verdict_page`).

A case is decided from its row alone. An error is counted as an error, under its code, and never as a verdict; a case
whose domain is not installed is one. Kinds of `WORLD_KNOWLEDGE` can only be decided by knowing the world ("LA" is Los
Angeles) and are reported apart: the headline figures leave them out, `with_world_knowledge` has them.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pivotgym.core.errors import PivotGymError
from pivotgym.core.trajectory import Verdict
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.intervals import balanced, wilson
from pivotgym.envs.conformance.verdict_cases import VerdictCase
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.judge import MessageJudge
from pivotgym.verifiers.rules import FUNCTIONAL
from pivotgym.verifiers.strict import spelled

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
        cpu_seconds: Processor time of this process and of its children that ended meanwhile; a sandbox or browser that
            lives on is not in it.
        warm_seconds: Wall time of the same call once more, its state built; `None` where it was not repeated.
    """

    case: VerdictCase
    verdict: Verdict | None
    error: str | None
    message: str
    seconds: float
    cpu_seconds: float = 0.0
    warm_seconds: float | None = None

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
        repeat: Whether each verdict of ours is asked for a second time, for the time it takes once its state is built.
    """

    def __init__(
        self,
        *,
        runtime_of: Callable[[str], Runtime] | None = None,
        methods: Mapping[str, Mapping[str, str]] = METHODS,
        repeat: bool = False,
    ) -> None:
        self._make = runtime_of or (lambda name: Runtime(load_domain(name)))
        self._methods = methods
        self._repeat = repeat
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
        def ask() -> Verdict:
            return self._runtime(case.domain).verify(case.pivot, case.candidate, rule=rule)

        found = timed(case, ask)
        if not self._repeat or found.verdict is None or rule != FUNCTIONAL:
            return found
        return replace(found, warm_seconds=timed(case, ask).seconds)

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


def timed(case: VerdictCase, ask: Callable[[], Verdict]) -> Result:
    """What a verifier says of a case, with what it cost; an error of the project's tree counts as one."""
    began, cpu = time.perf_counter(), _processor_time()
    verdict, error, message = None, None, ""
    try:
        verdict = ask()
        message = verdict.reason
    except PivotGymError as failure:
        error, message = failure.code, str(failure)
    return Result(case, verdict, error, message, time.perf_counter() - began, _processor_time() - cpu)


def judged(cases: Sequence[VerdictCase], judge: MessageJudge) -> list[Result]:
    """What a judge says that is shown both actions as text, and the conversation before them."""

    def ask(case: VerdictCase) -> Verdict:
        opinion = judge(spelled(case.pivot.reference), spelled(case.candidate), case.pivot.messages)
        return decided(opinion.same, "judge", False, opinion.reason, {})

    return [timed(case, partial(ask, case)) for case in cases]


def _processor_time() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def metrics(results: Iterable[Result]) -> dict[str, Any]:
    """Agreement with the labels, over the verdicts; a rate without cases is `None`.

    Returns:
        `cases`, `verdicts`, `errors`, `errors_by_code`, `balanced_accuracy` (mean of the shares of equivalent cases
        accepted and of different cases refused), `accuracy`, `false_accept_rate` (of the different cases),
        `false_reject_rate` (of the equivalent ones), the counts behind them (`false_accepts` of `different`,
        `false_rejects` of `equivalent`), `intervals_95` of the three rates, `executed` (share of verdicts),
        `ms_per_verdict` and `cpu_ms_per_verdict` (mean, `p50`, `p95`, `max`, states built included), and
        `warm_ms_per_verdict`, the wall time once the state is built.
    """
    everything = list(results)
    reached = [result for result in everything if result.verdict is not None]
    same = [result for result in reached if result.case.equivalent]
    other = [result for result in reached if not result.case.equivalent]
    wrong = sum(result.accepted for result in other), sum(not result.accepted for result in same)
    accepts, rejects = _share(other, lambda one: one.accepted), _share(same, lambda one: not one.accepted)
    warm = [1000 * result.warm_seconds for result in reached if result.warm_seconds is not None]
    return {
        "cases": len(everything),
        "verdicts": len(reached),
        "errors": len(everything) - len(reached),
        "errors_by_code": dict(Counter(result.error for result in everything if result.error is not None)),
        "balanced_accuracy": None if accepts is None or rejects is None else 1 - (accepts + rejects) / 2,
        "accuracy": _share(reached, lambda one: not one.wrong),
        "false_accept_rate": accepts,
        "false_reject_rate": rejects,
        "different": len(other),
        "equivalent": len(same),
        "false_accepts": wrong[0],
        "false_rejects": wrong[1],
        "intervals_95": {
            "balanced_accuracy": balanced(wrong[0], len(other), wrong[1], len(same)),
            "false_accept_rate": wilson(wrong[0], len(other)),
            "false_reject_rate": wilson(wrong[1], len(same)),
        },
        "executed": _share(reached, lambda one: one.verdict is not None and one.verdict.executed),
        "ms_per_verdict": _times([1000 * result.seconds for result in reached]),
        "cpu_ms_per_verdict": _times([1000 * result.cpu_seconds for result in reached]),
        "warm_ms_per_verdict": _times(warm),
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
        "by_domain_and_kind": {
            domain: _grouped([one for one in results if one.case.domain == domain], lambda case: case.kind)
            for domain in sorted({one.case.domain for one in results})
        },
        "by_origin": _grouped(results, lambda case: case.pivot.origin.kind),
        "headline_by_domain": _grouped(
            [result for result in results if result.case.kind not in WORLD_KNOWLEDGE], lambda case: case.domain
        ),
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
