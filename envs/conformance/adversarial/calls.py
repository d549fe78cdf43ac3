"""Mutations of tool calls with plain values: function calling, and tools over a database.

Owns: the rules. Does not own: commands, edits and searches, which are texts with a language of their own (beside this
module), or what schemas mean to verifiers (`verifiers.schema`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.conformance.adversarial.mutation import (
    Mutation,
    arguments_of,
    letters_changed,
    with_argument,
    with_arguments,
)

_EXPRESSION = re.compile(r"[\d\s.()+*/-]*\d\s*[-+*/]\s*\(?\d[\d\s.()+*/-]*\Z")
_DATE = re.compile(r"\b(\d{4}-\d\d-)(\d\d)\b")
_PROSE = 12
"""Words from which a text is prose."""
_OTHER_OPERATOR = {"+": "-", "-": "+", "*": "/", "/": "*"}


def call_mutations() -> Iterator[Mutation]:
    """All of them."""
    for name, why, make in _HARMFUL:
        yield Mutation(f"call.{name}", True, why, make)
    for name, why, make in _HARMLESS:
        yield Mutation(f"call.{name}", False, why, make)


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that is no object and no list, with the way to it."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _put(value: Any, path: tuple[str | int, ...], leaf: Any) -> Any:
    """A copy with another value at the end of a way."""
    if not path:
        return leaf
    if isinstance(value, dict):
        return {key: _put(inner, path[1:], leaf) if key == path[0] else inner for key, inner in value.items()}
    return [_put(inner, path[1:], leaf) if place == path[0] else inner for place, inner in enumerate(value)]


def _each_leaf(pivot: Pivot) -> Iterator[tuple[int, dict[str, Any], tuple[str | int, ...], Any]]:
    """The values of the expert's calls, but for prose: a thought or a summary may be worded in many ways."""
    for place, arguments in arguments_of(pivot):
        for path, leaf in _leaves(arguments):
            if not isinstance(leaf, str) or len(leaf.split()) <= _PROSE:
                yield place, arguments, path, leaf


def _with_leaf(pivot: Pivot, place: int, arguments: dict[str, Any], path: tuple[str | int, ...], leaf: Any) -> Action:
    return with_arguments(pivot.reference, place, _put(arguments, path, leaf))


def _number(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        if isinstance(leaf, int | float) and not isinstance(leaf, bool):
            yield _with_leaf(pivot, place, arguments, path, leaf + 1)


def _digit(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        if isinstance(leaf, str) and not _DATE.search(leaf):
            for match in re.finditer(r"\d(?!\d)", leaf):
                digit = str((int(match[0]) + 1) % 10)
                yield _with_leaf(pivot, place, arguments, path, leaf[: match.start()] + digit + leaf[match.end() :])


def _date(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        for match in _DATE.finditer(leaf) if isinstance(leaf, str) else ():
            day = int(match[2]) % 28 + 1
            changed = f"{leaf[: match.start()]}{match[1]}{day:02d}{leaf[match.end() :]}"
            yield _with_leaf(pivot, place, arguments, path, changed)


def _letter(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        for changed in letters_changed(leaf) if isinstance(leaf, str) else ():
            yield _with_leaf(pivot, place, arguments, path, changed)


def _flipped(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        if isinstance(leaf, bool):
            yield _with_leaf(pivot, place, arguments, path, not leaf)


def _choice(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for name, value in arguments.items():
            for other in _property(pivot, place, name).get("enum") or ():
                if other != value:
                    yield with_argument(pivot.reference, place, name, other)


def _swapped(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for one, other in combinations(arguments, 2):
            first, second = arguments[one], arguments[other]
            if first != second and type(first) is type(second):
                yield with_arguments(pivot.reference, place, {**arguments, one: second, other: first})


def _item(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for name, value in arguments.items():
            for dropped in range(len(value)) if isinstance(value, list) and len(value) > 1 else ():
                yield with_argument(pivot.reference, place, name, value[:dropped] + value[dropped + 1 :])


def _required(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for name in _schema(pivot, place).get("required") or ():
            if name in arguments:
                yield with_arguments(pivot.reference, place, {key: arguments[key] for key in arguments if key != name})


def _unknown(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        if _schema(pivot, place).get("properties"):
            yield with_arguments(pivot.reference, place, {**arguments, "surely_unknown": True})


def _tool(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for tool in pivot.tools:
            if tool.name != pivot.reference.tool_calls[place].name:
                yield with_arguments(pivot.reference, place, arguments, name=tool.name)


def _call(pivot: Pivot) -> Iterator[Action]:
    calls = pivot.reference.tool_calls
    for place in range(len(calls) if len(calls) > 1 else 0):
        yield pivot.reference.model_copy(update={"tool_calls": calls[:place] + calls[place + 1 :]})


def _said_instead(pivot: Pivot) -> Iterator[Action]:
    if pivot.reference.tool_calls:
        yield Action(content="I have done what you asked for.")


def _expression(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        if isinstance(leaf, str) and _EXPRESSION.match(leaf) and not _DATE.search(leaf):
            for match in re.finditer(r"(?<=[\d\s)])[-+*/]", leaf):
                changed = leaf[: match.start()] + _OTHER_OPERATOR[match[0]] + leaf[match.end() :]
                yield _with_leaf(pivot, place, arguments, path, changed)


def _number_form(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for name, value in arguments.items():
            number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
            if number and _property(pivot, place, name).get("type") in ("number", "float"):
                yield with_argument(pivot.reference, place, name, float(value))


def _default(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        for name, schema in (_schema(pivot, place).get("properties") or {}).items():
            if name not in arguments and isinstance(schema, dict) and schema.get("default") is not None:
                yield with_argument(pivot.reference, place, name, schema["default"])


def _expression_spaced(pivot: Pivot) -> Iterator[Action]:
    for place, arguments, path, leaf in _each_leaf(pivot):
        if isinstance(leaf, str) and _EXPRESSION.match(leaf) and not _DATE.search(leaf):
            yield _with_leaf(pivot, place, arguments, path, re.sub(r"\s*([-+*/])\s*", r"  \1 ", leaf).strip())


def _thought(pivot: Pivot) -> Iterator[Action]:
    if pivot.reference.tool_calls:
        yield pivot.reference.model_copy(update={"reasoning": "This is the next step."})


def _calls_turned(pivot: Pivot) -> Iterator[Action]:
    if pivot.origin.kind == "functions":
        yield pivot.reference.model_copy(update={"tool_calls": pivot.reference.tool_calls[::-1]})


def _schema(pivot: Pivot, place: int) -> dict[str, Any]:
    name = pivot.reference.tool_calls[place].name
    return next((tool.parameters for tool in pivot.tools if tool.name == name), {})


def _property(pivot: Pivot, place: int, name: str) -> dict[str, Any]:
    found = (_schema(pivot, place).get("properties") or {}).get(name)
    return found if isinstance(found, dict) else {}


_HARMFUL = (
    ("number", "A number is greater by one.", _number),
    ("digit", "The last digit of a number inside a text is another: an id, an amount, a postal code.", _digit),
    ("date", "A date is another day of the month.", _date),
    ("letter", "A letter of a text is another: a name, an id, a place.", _letter),
    ("flipped", "Yes for no.", _flipped),
    ("choice", "Another of the values that the schema lists.", _choice),
    ("swapped", "Two arguments of one type have each other's values.", _swapped),
    ("item", "A list lacks one of its items.", _item),
    ("required", "An argument that the schema requires is missing.", _required),
    ("unknown", "There is an argument that the schema does not know.", _unknown),
    ("tool", "Another tool is called with the same arguments.", _tool),
    ("call", "One of several calls is missing.", _call),
    ("said_instead", "A message says that it is done, nothing is called.", _said_instead),
    ("expression", "An operator of a sum is another; it may change nothing (`x + 0`).", _expression),
)
_HARMLESS = (
    ("number_form", "`5.0` for `5` where the schema says `number`: JSON Schema makes no difference.", _number_form),
    ("default", "The schema's own default is written out.", _default),
    ("expression_spaced", "Other blanks around the operators of a sum.", _expression_spaced),
    ("thought", "Thinking before the call.", _thought),
    ("calls_turned", "Independent calls of functions without a state, in another order.", _calls_turned),
)
