"""`terminus`: keystrokes for a terminal as a JSON object in the assistant's text, as Terminus-1 and Terminus-2 speak.

Owns: text <-> `Answer`, the schema of both generations, and the reason for each fault. Does not own: typing the
keystrokes (`envs.terminal`), or comparing them (`verifiers.terminal`).

The wrapping is read as the harness reads it: thinking before it, a code fence and prose around it are passed over, and
the first JSON object of the text counts. The object itself must fit the schema: fields that are missing, unknown or of
another type are the policy's fault, and broken JSON is not mended.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from pivotgym.core.messages import Malformed

Harness = Literal["terminus_1", "terminus_2"]
DEFAULT_WAIT_S = 1.0
"""How long Terminus-2 waits after keystrokes that name no `duration`."""


@dataclass(frozen=True)
class Keystrokes:
    """One entry of `commands`.

    Attributes:
        keys: What is typed, verbatim: a line break runs a command, `C-c` alone is a key.
        wait_s: How long to wait for it at most, in seconds.
        blocking: Whether to wait until the command has ended (Terminus-1); otherwise the wait is all there is.
    """

    keys: str
    wait_s: float = DEFAULT_WAIT_S
    blocking: bool = False


@dataclass(frozen=True)
class Answer:
    """What a policy answered.

    Attributes:
        commands: What it types, in order.
        complete: Whether it claims that the task is done.
        analysis: What it makes of the screen; `plan` what it is about to do. Neither counts in verdicts.
        harness: The generation whose schema the text has.
    """

    commands: tuple[Keystrokes, ...]
    complete: bool = False
    analysis: str = ""
    plan: str = ""
    harness: Harness = "terminus_2"


@dataclass(frozen=True)
class _Schema:
    """Names and types of one generation; the first two are the texts."""

    texts: tuple[str, str]
    done: str
    done_required: bool
    command: dict[str, type]
    command_required: frozenset[str]

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.texts, "commands", self.done)


_SCHEMAS: dict[Harness, _Schema] = {
    "terminus_2": _Schema(
        ("analysis", "plan"), "task_complete", False, {"keystrokes": str, "duration": float}, frozenset({"keystrokes"})
    ),
    "terminus_1": _Schema(
        ("state_analysis", "explanation"),
        "is_task_complete",
        True,
        {"keystrokes": str, "is_blocking": bool, "timeout_sec": float},
        frozenset({"keystrokes", "is_blocking", "timeout_sec"}),
    ),
}
_CALLED: dict[type, str] = {str: "a string", bool: "true or false", float: "a number of at least 0"}


class _Fault(Exception):
    """What is wrong with an answer, in one sentence."""


def read_terminus(text: str, harness: Harness | None = None) -> Answer | Malformed:
    """Read an answer from an assistant's text. Never raises.

    Args:
        text: The text, thinking and prose included.
        harness: The generation to expect; `None` for the one whose fields the object has.
    """
    try:
        value = _object(text.rpartition("</think>")[2])
        return _answer(value, harness or _generation(value))
    except _Fault as fault:
        return Malformed(text=text, reason=str(fault))


def speaks_terminus(text: str) -> bool:
    """Whether a text is a whole answer; what tells such a policy from one that calls tools.

    >>> speaks_terminus('{"analysis": "", "plan": "", "commands": []}'), speaks_terminus("ls")
    (True, False)
    """
    return isinstance(read_terminus(text), Answer)


def write_terminus(answer: Answer) -> str:
    """The text of an answer: a JSON object with every field of its generation."""
    schema = _SCHEMAS[answer.harness]
    value: dict[str, Any] = {schema.texts[0]: answer.analysis, schema.texts[1]: answer.plan}
    if answer.harness == "terminus_2":
        value["commands"] = [{"keystrokes": one.keys, "duration": one.wait_s} for one in answer.commands]
    else:
        value["commands"] = [
            {"keystrokes": one.keys, "is_blocking": one.blocking, "timeout_sec": one.wait_s} for one in answer.commands
        ]
    return json.dumps({**value, schema.done: answer.complete}, ensure_ascii=False, indent=2)


def _object(text: str) -> dict[str, Any]:
    start = text.find("{")
    if start < 0:
        raise _Fault(f"expected a JSON object with analysis, plan and commands, got {text.strip()[:80]!r}")
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError) as error:
        raise _Fault(f"expected a JSON object with analysis, plan and commands, got broken JSON: {error}") from None
    assert isinstance(value, dict)  # it began with a brace
    return value


def _generation(value: dict[str, Any]) -> Harness:
    """The generation of which the object has more fields; the newer one where that does not decide."""
    return max(_SCHEMAS, key=lambda harness: len(value.keys() & {*_SCHEMAS[harness].fields} - {"commands"}))


def _answer(value: dict[str, Any], harness: Harness) -> Answer:
    schema = _SCHEMAS[harness]
    needed = schema.fields if schema.done_required else schema.fields[:-1]
    _check_names(value, set(schema.fields), needed, "the object")
    for name in schema.texts:
        _check_type(value[name], str, name)
    _check_type(value.get(schema.done, False), bool, schema.done)
    if not isinstance(value["commands"], list):
        raise _Fault(f"commands: expected a list, got {_shown(value['commands'])}")
    commands = tuple(_keystrokes(one, place, schema) for place, one in enumerate(value["commands"]))
    analysis, plan = (value[name] for name in schema.texts)
    return Answer(commands, value.get(schema.done, False), analysis, plan, harness)


def _keystrokes(value: Any, place: int, schema: _Schema) -> Keystrokes:
    name = f"commands[{place}]"
    if not isinstance(value, dict):
        raise _Fault(f"{name}: expected an object with keystrokes, got {_shown(value)}")
    _check_names(value, set(schema.command), sorted(schema.command_required), name)
    for field, kind in schema.command.items():
        if field in value:
            _check_type(value[field], kind, f"{name}.{field}")
    wait_s = _as_float(value.get("duration", value.get("timeout_sec", DEFAULT_WAIT_S)))
    return Keystrokes(value["keystrokes"], wait_s, value.get("is_blocking", False))


def _check_names(value: dict[str, Any], known: set[str], needed: tuple[str, ...] | list[str], place: str) -> None:
    missing = [name for name in needed if name not in value]
    if missing:
        raise _Fault(f"{place}: the field {missing[0]!r} is missing")
    unknown = sorted(value.keys() - known)
    if unknown:
        raise _Fault(f"{place}: no field is called {unknown[0]!r}; they are {sorted(known)}")


def _check_type(value: Any, kind: type, place: str) -> None:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and math.isfinite(_as_float(value)) and value >= 0
    else:
        fits = isinstance(value, kind)
    if not fits:
        raise _Fault(f"{place}: expected {_CALLED[kind]}, got {_shown(value)}")


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
