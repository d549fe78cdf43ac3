"""The suite: all checks in their order.

Owns: the order, and going on after a check that failed. Does not own: any check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pivotgym.core.errors import InputError, PivotGymError
from pivotgym.servers.conformance import limits, outcomes, states, verdicts, wire
from pivotgym.servers.conformance.findings import Check, Result, made
from pivotgym.servers.conformance.subject import Subject

CHECKS: tuple[Check, ...] = (
    *states.CHECKS,
    *verdicts.CHECKS,
    *outcomes.CHECKS,
    *wire.CHECKS,
    *limits.CHECKS,
)


def chosen(names: Sequence[str] = ()) -> list[Check]:
    """Checks by name, in the suite's order; all without names.

    Raises:
        InputError: If there is no check of a name.
    """
    known = {check.name for check in CHECKS}
    for name in names:
        if name not in known:
            raise InputError(f"check: expected one of {sorted(known)}, got {name!r}")
    return [check for check in CHECKS if not names or check.name in names]


def run(
    subject: Subject, checks: Sequence[Check] = CHECKS, *, on_result: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """Make some checks; once the server no longer answers, the rest is skipped.

    Args:
        subject: What is checked.
        checks: Which checks.
        on_result: Called after each.

    Raises:
        InputError: If there is nothing to look at.
    """
    if not subject.starts():
        raise InputError(
            "nothing to check: the domain has no pivots and no tasks",
            hint="give pivots with --pivots FILE, or let the domain's `pivots` or `tasks` yield some",
        )
    results: list[Result] = []
    for one in checks:
        gone = _gone(subject)
        result = made(one, subject) if gone is None else Result(one, "skipped", f"the server is gone: {gone}", (), 0.0)
        results.append(result)
        on_result(result)
    return results


def report(results: Sequence[Result], target: str) -> dict[str, Any]:
    """What `pivotgym check --json` writes."""
    counts = {status: sum(result.status == status for result in results) for status in ("passed", "failed", "skipped")}
    checks = [result.to_json() for result in results]
    return {"schema_version": 1, "target": target, "ok": passed(results), **counts, "checks": checks}


def passed(results: Sequence[Result]) -> bool:
    """Whether no check failed, and one passed."""
    return any(one.status == "passed" for one in results) and not any(one.status == "failed" for one in results)


def _gone(subject: Subject) -> PivotGymError | None:
    try:
        subject.client.health()
    except PivotGymError as error:
        return error
    return None
