"""Calls decided by rule, because nothing can be run: against accepted answers, or against the expert's own arguments.

Owns: pairing calls one to one in any order, and the verdict. Does not own: when one call fits (`verifiers.accepted`
where the pivot carries accepted answers, else `verifiers.arguments`), or texts (`verifiers.message_rule`).

A call that was not run may have effects, so a missing, a surplus and a repeated call are all different.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Verdict
from pivotgym.verifiers.accepted import argument_score
from pivotgym.verifiers.arguments import share_of_same
from pivotgym.verifiers.base import decided, overlap
from pivotgym.verifiers.matching import match
from pivotgym.verifiers.schema import Signature, signature

Score = Callable[[dict[str, Any], dict[str, Any], Signature], float]
"""(what is due, what was given, the tool) -> share of right arguments; 1.0 only where the call fits."""


def by_accepted(accepted: Sequence[dict[str, Any]], action: Action, signatures: dict[str, Signature]) -> Verdict:
    """The verdict on calls where the pivot carries accepted answers: one `{function: {parameter: [values]}}` a call."""
    if not _readable(accepted):
        raise PivotRefused(
            "accepted: expected a list of {function: {parameter: [values]}}, got something else", hint="mend the pivot"
        )
    due = [(name, values) for entry in accepted for name, values in list(entry.items())[:1]]
    return _verdict(
        "accepted_answers", due, action, signatures, lambda one, given, tool: argument_score(given, one, tool)
    )


def _readable(accepted: Any) -> bool:
    return isinstance(accepted, list) and all(
        isinstance(entry, dict)
        and all(
            isinstance(values, dict) and all(isinstance(listed, list) for listed in values.values())
            for values in entry.values()
        )
        for entry in accepted
    )


def by_expert(expected: Sequence[ToolCall], action: Action, signatures: dict[str, Signature]) -> Verdict:
    """The verdict on calls where there are only the expert's."""
    due = [(call.name, _object(call)) for call in expected]
    return _verdict("same_arguments", due, action, signatures, share_of_same)


def _verdict(
    method: str,
    due: Sequence[tuple[str, dict[str, Any]]],
    action: Action,
    signatures: dict[str, Signature],
    score: Score,
) -> Verdict:
    given = [(call.name, _object(call)) for call in action.tool_calls]

    def right(one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]) -> float:
        known = signatures.get(one[0]) or signature(Tool(name=one[0]))
        return score(one[1], other[1], known) if one[0] == other[0] else -1.0

    rights = [[right(one, other) for other in given] for one in due]
    pairs = match(range(len(due)), range(len(given)), lambda one, other: rights[one][other] == 1.0)
    matched = sum(pair is not None for pair in pairs)
    names, theirs = [name for name, _ in due], [name for name, _ in given]
    best = [max(0.0, *row) for row in rights]
    components = {
        "name": overlap(names, theirs),
        "arguments": sum(best) / len(best) if best else 0.0,
        "calls_matched": matched / max(len(due), len(given)),
        "partial": 2 * matched / (len(due) + len(given)),
    }
    if matched == len(due) == len(given):
        return decided(True, method, False, "each call is an accepted one", components)
    unmatched = next((one for one, pair in zip(due, pairs, strict=True) if pair is None), None)
    evidence = {"expected": None if unmatched is None else list(unmatched), "got": [list(one) for one in given]}
    return decided(False, method, False, _difference(names, theirs), components, evidence)


def _difference(names: list[str], theirs: list[str]) -> str:
    if len(names) != len(theirs):
        return f"expected {len(names)} calls, got {len(theirs)}"
    if Counter(names) != Counter(theirs):
        return f"expected a call of {names}, got {theirs}"
    return f"the arguments of {names if len(names) > 1 else names[0]} are not among the accepted ones"


def _object(call: ToolCall) -> dict[str, Any]:
    return call.arguments if isinstance(call.arguments, dict) else {}
