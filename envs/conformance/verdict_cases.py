"""Labelled cases: is the candidate action functionally equivalent to the expert's in this state?

Owns: reading a line of a case file into a pivot, a candidate and a label. Does not own: running cases and metrics
(`envs.conformance.verdict_bench`), or what an origin's fields mean (the domain).

A line holds `id`, `domain`, `context` (`messages`, `tools`), `reference_action`, `candidate_action`, `label` (1 =
equivalent, 0 = not), `kind` (how the pair was made), `group` (cases of one group share a task) and `origin`. Its
`prefix`, the calls that lead to the state, becomes the pivot's prefix, without recorded observations; the rest of the
origin goes to the domain as it is. Nothing of the label reaches the pivot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.jsonl import read_lines
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot, Step


@dataclass(frozen=True)
class VerdictCase:
    """One labelled pair.

    Attributes:
        pivot: The state and the expert's action; its id is the case's.
        candidate: The action in question.
        equivalent: The label.
        kind: The rule by which the pair was made.
        group: Cases of one group share a task.
    """

    pivot: Pivot
    candidate: Action
    equivalent: bool
    kind: str
    group: str

    @property
    def id(self) -> str:
        """The case's id."""
        return self.pivot.id

    @property
    def domain(self) -> str:
        """The domain whose environment decides."""
        return self.pivot.domain


def read_cases(path: str | Path) -> Iterator[VerdictCase]:
    """The cases of a JSON Lines file, one in memory.

    Raises:
        NotFound: If there is no such file.
        BadLine: At a line that is not a case, naming it.
    """
    return read_lines(path, case_of)


def case_of(row: dict[str, Any]) -> VerdictCase:
    """A case from its JSON object.

    Raises:
        InputError: If the label is neither 0 nor 1, or an action or prefix has another shape.
        KeyError: If a field is missing.
    """
    label = row["label"]
    if label not in (0, 1):
        raise InputError(f"label: expected 0 or 1, got {label!r}")
    origin = dict(row["origin"])
    prefix = [Step(action=_action(entry, "origin.prefix")) for entry in origin.pop("prefix", None) or []]
    context = row["context"]
    pivot = Pivot(
        id=row["id"],
        domain=row["domain"],
        messages=context["messages"],
        tools=context.get("tools") or [],
        reference=_action(row["reference_action"], "reference_action"),
        origin=Origin.model_validate(origin),
        prefix=prefix,
        source=row.get("source"),
    )
    candidate = _action(row["candidate_action"], "candidate_action")
    return VerdictCase(pivot, candidate, bool(label), row["kind"], row.get("group") or row["id"])


def _action(value: Any, name: str) -> Action:
    """An action from `{type: message, content}`, `{type: tool_calls, tool_calls}`, or one bare call."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return Action.model_validate({"tool_calls": [_call(value)]})
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "message":
        return Action(content=value.get("content") or "")
    if kind == "tool_calls":
        calls = [_call(call) for call in value["tool_calls"]]
        return Action.model_validate({"content": value.get("content") or "", "tool_calls": calls})
    raise InputError(
        f"{name}: expected an action of type 'message' or 'tool_calls', or a call, got {str(value)[:80]!r}"
    )


def _call(call: dict[str, Any]) -> dict[str, Any]:
    return {"name": call["name"], "arguments": call.get("arguments")}
