"""What a caller hands to the client and gets from it, beside the records of `core`.

Owns: these shapes and how they look on the wire. Does not own: requests (`_core`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from pivotgym.core.errors import PivotGymError
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Pivot


class TextAction(NamedTuple):
    """An action as the policy wrote it, to be read by the server in that format.

    Attributes:
        text: The policy's text.
        format: The text format's name.
        truncated: Whether the policy was cut at its token limit.
    """

    text: str
    format: str
    truncated: bool = False


ActionLike: TypeAlias = Action | Malformed | TextAction | dict[str, Any]
"""An action, text that could not be read as one, text for the server to read, or an assistant message as it is."""


class VerifyItem(NamedTuple):
    """Actions to score at one pivot: its id where the server knows it, or the whole pivot."""

    pivot: Pivot | str
    actions: Sequence[ActionLike]


class Prepared(NamedTuple):
    """What preparing pivots gave.

    Attributes:
        refused: The error of each pivot whose state cannot be built, or whose own expert action is not accepted there.
        executable: Ids of the prepared pivots whose verdicts come from execution.
    """

    refused: dict[str, PivotGymError]
    executable: frozenset[str]


class StepResult(NamedTuple):
    """What an action gave, in Gymnasium's words."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]


def action_json(action: ActionLike) -> dict[str, Any]:
    """An action as it travels."""
    if isinstance(action, TextAction):
        return action._asdict()
    if isinstance(action, Action):
        return action.to_json()
    return action.model_dump() if isinstance(action, Malformed) else action


def pivot_json(pivot: Pivot | str) -> dict[str, Any]:
    """The field that names or carries a pivot."""
    return {"pivot_id": pivot} if isinstance(pivot, str) else {"pivot": pivot.to_json()}
