"""What calls told: facts, and whether two actions told the same ones, through whichever tools.

Owns: which facts a result holds, which of them prove anything, and when two actions' results are the same. Does not
own: states (`verifiers.call_effects`), or calls that were not run (`verifiers.call_rules`).

A result is read as JSON. A list of objects, also as the only field of an object, is so many facts, in any order;
anything else is one. Facts are compared as a set, so it does not matter how many calls told them or how often. A fact
proves something when it can hardly be told by chance: some value in it has three significant digits, or a text of four
characters with a digit, or of twelve, or of two words that do not say "no". A read that failed, or that told `[]`,
`true`, `3` or `pending`, proves nothing: two reads of different things often tell that. It is the same as the same call
only (defaults filled in, white space in texts and the order of numbers in a sum aside).

A fact is also told by an object that has all fields of the expert's with the same values, and more of them: details
instead of a summary. Then there must be as many facts as the expert's, each told by one of its own, so that listing
everything is no way to hit it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pivotgym.core.canonical import canonical_json
from pivotgym.core.trajectory import Effects
from pivotgym.verifiers.matching import match
from pivotgym.verifiers.schema import Signature

_NEGATES = re.compile(r"\s*(?:no|not|none|nothing|never|error|failed|invalid|unknown|empty)\b", re.I)
_SUM = re.compile(r"(?!\d+([-/.])\d+\1\d+$)(?=.*\d[-+*/)])[\d.+*/()-]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DIGITS, _LETTERS_AND_DIGITS, _LETTERS = 3, 4, 12
_KEPT = 256
"""Texts remembered: the expert's result is read again for every action of its group."""


@dataclass(frozen=True)
class Told:
    """What one call of an action did and told.

    Attributes:
        name: The tool.
        call: The call in one spelling.
        facts: Its result's facts, each as canonical JSON or text.
        changed: Whether it changed the state.
        failed: Whether it returned an error of the tool.
        tells: Whether the tool can tell anything at all; an empty text alone does not say so.
    """

    name: str
    call: str
    facts: frozenset[str]
    changed: bool
    failed: bool
    tells: bool = True

    @cached_property
    def proves(self) -> bool:
        """Whether an equal result means an equal effect: the call changed the state, or told a fact that proves."""
        return self.changed or (not self.failed and any(map(proves, self.facts)))

    @cached_property
    def effect(self) -> tuple[Any, ...]:
        """Equal for calls of the same effect."""
        return (self.changed, self.facts) if self.proves else (self.call, self.facts)


def told(effects: Effects, signatures: Mapping[str, Signature]) -> list[Told]:
    """What each call of an action told, in call order."""
    count = len(effects.observations)
    calls = [*effects.detail.get("calls", []), *[{}] * count][:count]
    changed = _each(effects, "changed", effects.changed)
    tells = _each(effects, "tells", True)
    failed = [*effects.failed, *[False] * count][:count]
    return [
        Told(str(call.get("name", "")), _spelled(call, signatures), facts_of(text), *map(bool, flags))
        for call, text, *flags in zip(calls, effects.observations, changed, failed, tells, strict=True)
    ]


def _each(effects: Effects, key: str, default: bool) -> list[Any]:
    """What the details say of each call."""
    count, values = len(effects.observations), effects.detail.get(key)
    return values if isinstance(values, list) and len(values) == count else [default] * count


def same_facts(expert: list[Told], candidate: list[Told]) -> bool:
    """Whether two actions told the same, as the module says. Where they changed the state is not looked at."""
    due, given = _facts(expert), _facts(candidate)
    if _silent(expert) != _silent(candidate):
        return False
    if due == given:
        return True
    reads = not any(one.changed for one in [*expert, *candidate])
    return reads and len(due) == len(given) and None not in match(sorted(due), sorted(given), _tells)


@lru_cache(maxsize=_KEPT)
def facts_of(result: str) -> frozenset[str]:
    """The facts of a result, each in one spelling.

    >>> sorted(facts_of('{"users": [{"id": 2.0}, {"id": 1}]}'))
    ['{"id":1}', '{"id":2}']
    """
    try:
        value = json.loads(result)
        return frozenset(map(_spelling, _opened(value)))
    except (ValueError, RecursionError):
        return frozenset([" ".join(result.split())])


@lru_cache(maxsize=_KEPT)
def proves(fact: str) -> bool:
    """Whether a fact can hardly be told by chance."""
    try:
        return any(map(_rare, _leaves(json.loads(fact))))
    except (ValueError, RecursionError):
        return _rare(fact)


def _opened(value: Any) -> list[Any]:
    """The objects of a list of different ones, also inside an object of one field; else the value alone."""
    inner = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value
    objects = isinstance(inner, list) and bool(inner) and all(isinstance(item, dict) for item in inner)
    if objects and len(set(map(canonical_json, inner))) == len(inner):
        return list(inner)
    return [inner if isinstance(inner, dict) else value]


def _spelling(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else canonical_json(value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _rare(value: Any) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return len(re.sub(r"e.*|\D", "", repr(value)).strip("0")) >= _DIGITS
    words = re.findall(r"\w+", str(value))
    size = sum(map(len, words))
    if any(character.isdigit() for character in str(value)):
        return size >= _LETTERS_AND_DIGITS
    return not _NEGATES.match(str(value)) and (len(words) > 1 or size >= _LETTERS)


def _facts(calls: list[Told]) -> set[str]:
    return set().union(*(call.facts for call in calls if call.proves))


def _silent(calls: list[Told]) -> set[tuple[Any, ...]]:
    return {call.effect for call in calls if not call.proves}


def _tells(due: str, given: str) -> bool:
    """Whether an object has all fields of another one, of two or more, which proves something."""
    try:
        one, other = json.loads(due), json.loads(given)
    except ValueError:
        return False
    if not (isinstance(one, dict) and isinstance(other, dict) and len(one) > 1):
        return due == given
    return proves(due) and all(key in other and _same(item, other[key]) for key, item in one.items())


def _same(one: Any, other: Any) -> bool:
    return canonical_json(one) == canonical_json(other)


def _spelled(call: Mapping[str, Any], signatures: Mapping[str, Signature]) -> str:
    name, arguments = str(call.get("name", "")), call.get("arguments", {})
    known = signatures.get(name)
    if known is not None and isinstance(arguments, dict):
        arguments = known.normal(arguments)
    return canonical_json([name, _respelled(arguments)])


def _respelled(value: Any) -> Any:
    if isinstance(value, str):
        plain = "".join(value.split())
        return sorted(map(float, _NUMBER.findall(plain))) if _SUM.fullmatch(plain) else plain
    if isinstance(value, dict):
        return {key: _respelled(item) for key, item in value.items()}
    return [_respelled(item) for item in value] if isinstance(value, list) else value
