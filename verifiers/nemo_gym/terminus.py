"""`terminus_judge`, its part that needs no judge: the keystrokes of a Terminus answer, as text.

Owns: this rule and the two shapes of answers. Does not own: the judge that NeMo Gym asks where the texts are not
similar: rows that its default settings would hand to a judge are worth 0.0 here, as with its `string_only` settings.

The answer is the text after the last `</think>`, a JSON object of the harness's shape. Where the expert says that the
task is complete, so must the candidate (not the other way round); then the keystrokes, put together, must be similar by
`difflib`. Durations, analysis and plan do not count. The row's `metadata.harness` names the shape and its `threshold`
goes before the option's.
"""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from typing import Any, ClassVar, Literal

from jsonschema import Draft202012Validator

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.verifiers.nemo_gym.base import PREFIX, Options, TextRule, row_of


def _shape(texts: tuple[str, str], required: bool, done: str, timing: dict[str, Any]) -> Draft202012Validator:
    """The validator of an answer: two texts, commands, and whether the task is done."""
    command = {
        "type": "object",
        "properties": {"keystrokes": {"type": "string"}, **timing},
        "required": ["keystrokes", *(timing if required else ())],
        "additionalProperties": False,
    }
    properties = {
        **{text: {"type": "string"} for text in texts},
        "commands": {"type": "array", "items": command},
        done: {"type": "boolean"},
    }
    needed = [*texts, "commands", *((done,) if required else ())]
    return Draft202012Validator(
        {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
    )


_NUMBER = {"type": "number"}
_SHAPES = {
    "terminus_1": _shape(
        ("state_analysis", "explanation"),
        True,
        "is_task_complete",
        {"is_blocking": {"type": "boolean"}, "timeout_sec": _NUMBER},
    ),
    "terminus_2": _shape(("analysis", "plan"), False, "task_complete", {"duration": _NUMBER}),
}


class TerminusOptions(Options):
    """The server's options.

    Attributes:
        similarity_threshold: The least `difflib` ratio of the keystrokes. Shipped: 0.9, with a judge 0.95.
        harness: The answers' shape; `None` takes the row's.
    """

    similarity_threshold: float = 0.9
    harness: Literal["terminus_1", "terminus_2"] | None = None


class Terminus(TextRule):
    """The rule above."""

    name = PREFIX + "terminus_judge"
    options_type: ClassVar[type[Options]] = TerminusOptions

    def decide(self, pivot: Pivot, action: Action) -> Verdict:
        """See the module."""
        row = row_of(pivot)
        metadata = row.get("metadata")
        harness = self.options.harness or (metadata.get("harness") if isinstance(metadata, dict) else None)
        if harness not in _SHAPES:
            raise PivotRefused(
                f"pivot {pivot.id!r}: {self.name} expects metadata.harness to be one of {sorted(_SHAPES)}, got "
                f"{harness!r}",
                hint="keep the row's metadata, or name the harness in the rule's options",
            )
        shape = _SHAPES[harness]
        expected, given = _answer(pivot.reference.content, shape), _answer(action.content, shape)
        if expected is None:
            raise PivotRefused(f"pivot {pivot.id!r}: the expert's answer has not the shape of {harness}")
        if given is None:
            return self.verdict(0.0, f"the answer is no JSON in the shape of {harness}")
        if _complete(expected) and not _complete(given):
            return self.verdict(0.0, "the expert says that the task is complete, the answer does not")
        similar = _similarity(_keystrokes(expected), _keystrokes(given))
        own = row.get("threshold")
        least = float(own) if isinstance(own, int | float) else self.options.similarity_threshold
        return self.verdict(float(similar >= least), f"the keystrokes are {similar:.2f} similar", similarity=similar)


def _answer(text: str, shape: Draft202012Validator) -> dict[str, Any] | None:
    try:
        value = json.loads(text.rpartition("</think>")[2].strip())
    except ValueError:
        return None
    return value if isinstance(value, dict) and shape.is_valid(value) else None


def _complete(answer: dict[str, Any]) -> bool:
    return bool(answer.get("task_complete") or answer.get("is_task_complete"))


def _keystrokes(answer: dict[str, Any]) -> str:
    return "".join(command["keystrokes"] for command in answer["commands"])


def _similarity(expected: str, given: str) -> float:
    if not expected or not given:
        return float(expected == given)
    return SequenceMatcher(None, expected, given).ratio()
