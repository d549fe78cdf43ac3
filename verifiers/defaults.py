"""The default of a parameter: declared in its schema, or told in its description.

Owns: reading both. Does not own: what a default is worth in a comparison (`verifiers.schema`, `verifiers.arguments`).

Read are "defaults to 5", "default is 'metric'", "(default: 5)", "default value is set to 5", "5 by default", "if
omitted, 5 is used" and their like; of a number, its value before a unit ("9.8 m/s^2"), but not of "5%", "2 million" or
"1-based", whose value is doubtful. What is told must be of the parameter's type, else nothing was told.
"""

from __future__ import annotations

import ast
import json
import re
from functools import lru_cache
from typing import Any

NO_DEFAULT = object()
"""What `default_of` gives where there is no default (`None` is a default)."""

_LINK = r"\s*(?:[:=,]|\b(?:values?|settings?|is|are|to|of|set|be|being|as|at|will|would|should|it)\b)"
_PLAINLY = r"\s*(?=[\"'`\d\[{]|(?:true|false|none|null)\b)"
_LEADING = re.compile(rf"\b(?:by\s+default|defaults?(?:ed|ing)?)\b(?:(?:{_LINK})+\s*|{_PLAINLY})(\S.*)", re.I | re.S)
_VALUE = r"\"[^\"]*\"|'[^']*'|`[^`]*`|[-+]?\d+(?:\.\d+)?"
_TRAILING = re.compile(
    rf"({_VALUE}|\w+)\s*(?:\(|(?:is|are|will\s+be)\s+(?:(?:used|assumed|taken|set)\s*(?:as)?\s*)?(?:the\s+)?)?"
    r"(?:by\s+)?default\b(?!\s+\w)",
    re.I,
)
_BARE = re.compile(r"(?:^|[.;,(]\s*)Default\s+(\w+)\s*[.)]?\s*$", re.I)
_OMITTED = re.compile(
    r"\b(?:if|when)\s+(?:(?:it|this)\s+is\s+)?(?:omitted|left\s+out|(?:not|un)\s*(?:provided|specified|given|set))\s*,"
    rf"\s*(?:(?:it\s+)?(?:assumes?|uses?|is|will\s+be)\s+({_VALUE})|({_VALUE}|\w+)\s+(?:is|will\s+be)\s+(?:used|assumed))",
    re.I,
)
_QUOTED = re.compile(r"([\"'`])(.*?)\1(?!\w)", re.S)
_END = re.compile(
    r",(?!\d{3}(?!\d))|[;)(\]\n]|\.(?:\s|$)|\s(?:if|when|unless|which|where|because|meaning|and|or)\s|\s-\s", re.I
)
_SENTENCE = re.compile(r"[;)(\n]|\.(?:\s|$)")
_NUMBER = re.compile(
    r"(?<![\w.,])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\d%:/-])(?!\s*(?:%|percent|hundred|thousand|million|billion))",
    re.I,
)
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_EMPTY = re.compile(r"(?:an?\s+)?empty\b", re.I)
_EMPTY_OF: dict[str, Any] = {"array": list, "object": dict, "string": str}
_FITS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "string": (str,),
}


def default_of(schema: dict[str, Any]) -> Any:
    """The default of a parameter, declared or told in its description ("default is 5"); else `NO_DEFAULT`.

    >>> default_of({"type": "number", "description": "Gravity in m/s^2. Defaults to 9.8 m/s^2."})
    9.8
    """
    if "default" in schema:
        return _declared(schema["default"], schema)
    description = schema.get("description")
    if not isinstance(description, str) or not description:
        return NO_DEFAULT
    kind, choices = schema.get("type"), schema.get("enum")
    kinds = kind if isinstance(kind, list) else [kind]
    return _told_value(description, _texts(kinds), _texts(choices if isinstance(choices, list) else []))


def _texts(values: list[Any]) -> tuple[str, ...]:
    return tuple(one for one in values if isinstance(one, str))


@lru_cache(maxsize=4096)
def _told_value(description: str, kinds: tuple[str, ...], choices: tuple[str, ...]) -> Any:
    found = (_read(text, {"type": list(kinds), "enum": choices}) for text in _told(description))
    return next((value for value in found if value is not NO_DEFAULT), NO_DEFAULT)


def _declared(value: Any, schema: dict[str, Any]) -> Any:
    """A declared default; a text where another type is due ("false" for a boolean) is read as that type."""
    kind = schema.get("type")
    if not isinstance(value, str) or not isinstance(kind, str) or kind not in _FITS or kind == "string":
        return value
    read = _read(value, schema)
    return value if read is NO_DEFAULT else read


def _told(description: str) -> list[str]:
    """What the description may call the default, likeliest first; each begins with the value."""
    if "default" not in description.lower() and not _OMITTED.search(description):
        return []
    found = [match[1] for match in _LEADING.finditer(description)]
    found += [match[1] for pattern in (_TRAILING, _BARE) for match in pattern.finditer(description)]
    found += [match[1] or match[2] for match in _OMITTED.finditer(description)]
    return found


def _read(text: str, schema: dict[str, Any]) -> Any:
    kind = schema.get("type")
    kinds = [one for one in (kind if isinstance(kind, list) else [kind]) if one in _FITS] or list(_FITS)
    for one in kinds:
        value = _read_as(text.strip(), one, schema)
        if value is not NO_DEFAULT:
            return value
    return NO_DEFAULT


def _read_as(text: str, kind: str, schema: dict[str, Any]) -> Any:
    quoted = _QUOTED.match(text) or _only(_QUOTED, text)
    plain = quoted[2] if quoted else _END.split(text, maxsplit=1)[0].strip()
    if kind in _EMPTY_OF and not quoted and _EMPTY.match(plain):
        return _EMPTY_OF[kind]()
    if kind == "string":
        return "" if quoted and not plain else _choice(plain, schema)
    if plain.lower() in _WORDS:
        value = _WORDS[plain.lower()]
        return value if value is None or isinstance(value, _FITS[kind]) else NO_DEFAULT
    if kind in ("integer", "number"):
        return _number(text, kind)
    return _container(text, kind)


def _choice(text: str, schema: dict[str, Any]) -> Any:
    """A told text; where the schema lists the values, the one of them that it names."""
    choices = [one for one in schema.get("enum") or () if isinstance(one, str)]
    if not choices:
        return text or NO_DEFAULT
    named = [one for one in choices if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text, re.I)]
    exact = [one for one in named if one.casefold() == text.casefold()]
    return (exact or named)[0] if len(exact or named) == 1 else NO_DEFAULT


def _number(text: str, kind: str) -> Any:
    found = _NUMBER.match(text) or _only(_NUMBER, text)
    if found is None:
        return NO_DEFAULT
    value = json.loads(found[0].replace(",", "").lstrip("+").lower())
    if kind == "integer" and isinstance(value, float):
        return int(value) if value.is_integer() else NO_DEFAULT
    return value


def _only(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The one match in the first sentence; `None` where there are several."""
    found = list(pattern.finditer(_SENTENCE.split(text, maxsplit=1)[0]))
    return found[0] if len(found) == 1 else None


def _container(text: str, kind: str) -> Any:
    closing = {"array": "]", "object": "}"}.get(kind)
    if closing is None or closing not in text:
        return NO_DEFAULT
    try:
        value = ast.literal_eval(text[: text.rindex(closing) + 1])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return NO_DEFAULT
    if kind == "array" and isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, _FITS[kind]) else NO_DEFAULT
