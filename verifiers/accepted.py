"""Calls against sets of accepted answers, in the sense of BFCL's checker for Python functions.

Owns: when one call fits one entry of accepted answers. Does not own: parallel calls and verdicts
(`verifiers.tool_calls`), or the validity of a call (`verifiers.schema`).

An entry is `{function: {parameter: [accepted values]}}`, where `""` among the values says that the parameter may be
left out. BFCL's rules as we implement them: strings are compared without case, spaces and `,./-_*^`, with single
quotes as double quotes; lists element by element, in order; a dictionary by sets of accepted values per key, one level
deep, also inside a list; an integer stands for a float.

Two deliberate differences: `5.0` is `5` for a declared integer too, and an optional parameter whose schema has a
default may be left out if the default is accepted, and given if it equals the default.
"""

from __future__ import annotations

import re
from typing import Any

from pivotgym.verifiers.defaults import NO_DEFAULT, default_of
from pivotgym.verifiers.schema import Signature

_IGNORED = re.compile(r"[ ,./\-_*^]")
OMITTED = ""


def surface(text: str) -> str:
    """A string without what the comparison ignores."""
    return _IGNORED.sub("", text).lower().replace("'", '"')


def fits(name: str, arguments: dict[str, Any], entry: dict[str, dict[str, list[Any]]], signature: Signature) -> bool:
    """Whether a valid call fits an entry of accepted answers."""
    return name in entry and argument_score(arguments, entry[name], signature) == 1.0


def argument_score(arguments: dict[str, Any], accepted: dict[str, list[Any]], signature: Signature) -> float:
    """Share of the parameters, accepted or given, that are right; 1.0 for a call without any."""
    arguments = signature.without_nulls(arguments)
    names = list(dict.fromkeys([*accepted, *arguments]))
    right = sum(_right(name, arguments, accepted, signature.properties.get(name, {})) for name in names)
    return right / len(names) if names else 1.0


def _right(name: str, arguments: dict[str, Any], accepted: dict[str, list[Any]], schema: dict[str, Any]) -> bool:
    default = default_of(schema)
    if name not in accepted:
        return default is not NO_DEFAULT and same(arguments[name], default)
    if name not in arguments:
        return OMITTED in accepted[name] or (default is not NO_DEFAULT and _any(default, accepted[name]))
    return _any(arguments[name], accepted[name]) or (arguments[name] == [] and OMITTED in accepted[name])


def _any(value: Any, accepted: list[Any]) -> bool:
    return any(_accepts(answer, value) for answer in accepted)


def _accepts(answer: Any, value: Any) -> bool:
    """Whether a value is an accepted answer, in which dictionaries hold sets of accepted values."""
    if isinstance(answer, dict) and isinstance(value, dict) and all(isinstance(part, list) for part in answer.values()):
        left_out = all(OMITTED in answer[key] for key in answer.keys() - value.keys())
        return left_out and all(
            key in answer and any(same(item, one) for one in answer[key]) for key, item in value.items()
        )
    if isinstance(answer, list) and isinstance(value, list):
        return len(answer) == len(value) and all(map(_accepts, answer, value))
    return same(value, answer)


def same(one: Any, other: Any) -> bool:
    """Equal values: strings by `surface`, numbers by value, booleans only to booleans."""
    if isinstance(one, str) and isinstance(other, str):
        return surface(one) == surface(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    return (type(one) is type(other) and one == other) or _numbers(one, other)


def _numbers(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other
