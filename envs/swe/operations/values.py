"""Arguments of tool calls as typed values.

Owns: the types a harness's table can name, and the sentence that says why a value is none of its type. Does not own:
the tables (`tables`), or what becomes of the values (`build`).

Harnesses whose calls are text (XML, words of a command line) hand every value over as text, so numbers and ranges are
read from text too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from pivotgym.verifiers.code.operations import Span


class BadValue(Exception):
    """A value is not of its type; the message says what was expected."""


def read_value(kind: str, value: Any) -> Any:
    """A value of one of `KINDS`.

    Raises:
        BadValue: If it is none.
    """
    return KINDS[kind](value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not _encodes(value):
        raise BadValue("a text")
    return value


def _filled(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value or not _encodes(value):
        raise BadValue("a text that is not empty")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value or "\n" in value or not _encodes(value):
        raise BadValue("a path")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or abs(value) > 10**9:
        raise BadValue("an integer")
    return int(value)


def _flag(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise BadValue("true or false")
    return value


def _range(value: Any) -> Span:
    given = value
    if isinstance(value, str):
        try:
            given = json.loads(value)
        except (ValueError, RecursionError):
            given = None
    if not isinstance(given, list) or len(given) != 2:
        raise BadValue("two line numbers [first, last], last -1 for the end of the file")
    first, last = _integer(given[0]), _integer(given[1])
    return _ordered(first, None if last == -1 else last)


def _span(value: Any) -> Span:
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", value) if isinstance(value, str) else None
    if found is None:
        raise BadValue("lines as first:last")
    return _ordered(int(found[1]), int(found[2]))


def _ordered(first: int, last: int | None) -> Span:
    if first < 1 or (last is not None and last < first):
        raise BadValue("line numbers from 1, the last not before the first")
    return first, last


def _words(value: Any) -> list[str]:
    words = [value] if isinstance(value, str) and value.strip() else value
    if not isinstance(words, list) or not words or not all(map(_is_word, words)):
        raise BadValue("a list of words")
    return words


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value and _encodes(value)


def _encodes(text: str) -> bool:
    """Whether a text can be written down: half of a surrogate pair, which JSON can hold, cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


KINDS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "filled": _filled,
    "path": _path,
    "integer": _integer,
    "flag": _flag,
    "range": _range,
    "span": _span,
    "words": _words,
    "any": lambda value: value,
}
"""Types of arguments by the names that tables use."""
