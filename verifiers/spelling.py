"""Texts that say the same in another spelling, where nothing else tells whether they do.

Owns: when two string arguments are equal by rule. Does not own: accepted answers, which a source's own checker compares
more loosely (`verifiers.accepted`), or messages (`verifiers.message_rule`).

The rule refuses when in doubt. What it takes for spelling: case; white space; commas, underscores and quotes' shape;
full stops after letters or with no digit behind them; hyphens inside words ("Global-Fabric", "covid-19"); thousands
separators; "40.0" for "40"; grouping in long runs of digits (phone and card numbers); a unit that the parameter's
description names ("21 inches" for "21"); the same date or time of day written otherwise, unless the description states
a format.
What it never takes for spelling: other numbers or signs ("1.5 km" and "15 km", "-5" and "5"), operators and all
other symbols ("x^2" and "x*2", "m/s" and "ms", "C" and "C++", "A-" and "A"), two numbers for one ("2019-2020"
and "20192020"), anything but case in addresses and file names, anything in command lines, paths and secrets.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_FLAG = re.compile(r"(?<!\S)--?[^\W\d_]")
_PATH = re.compile(r"(?:~?/|\.{1,2}/|[A-Za-z]:\\)\S*|\S*/\S*\.\w{1,5}")
_ADDRESS = re.compile(r"[^@]+@[^@]+\.\w+|(?:https?://|www\.).+|.+\.[a-z][a-z0-9]{1,4}")
_SUPERSCRIPT = re.compile(r"[\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+")
_LINES = re.compile(r"\n\s*\S")
_SECRET = re.compile(r"pass(?:word|phrase|code|wd)|secret|token|api[_\s-]?key|credential", re.I)
_CODE = re.compile(
    r"commands?|cmd|(?:source_)?code|script|regex|pattern|keystrokes|(?:old|new)_(?:str|string|text)|file_text|patch|diff",
    re.I,
)
_FORMAT = re.compile(r"\b(?:Y{2,4}|M{2}|D{2}|H{2})\b|YYYY|%[YmdHM]|ISO.?8601|\b24.hour|\bformat\b")
_QUOTES = str.maketrans({"\u2018": '"', "\u2019": '"', "\u201c": '"', "\u201d": '"', "'": '"', "\u2013": "-"})
_NUMBER_WITH_UNIT = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*([^\W\d_]+)")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_JOINABLE = 7
_GROUPED = re.compile(r"\d{3}[\s-]\d{4}|\d{5}-\d{4}|.*[()+].*|\d+(?:[\s-]+\d+){2,}")
_DIGIT = re.compile(r"\d")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DATE_WORDS = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b|\bof\b|,|(?<=[a-z])\.")
_YEAR_FIRST = re.compile(r"(\d{4})(?=[-/.]|\d{4}$)([-/.]?)(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_NAMED = re.compile(r"(?:([a-z]+) (\d{1,2})|(\d{1,2}) ([a-z]+)) (\d{4})")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?(?:([ap])\.?m\.?)?")


def same_text(one: str, other: str, *, name: str = "", description: str = "") -> bool:
    """Whether two texts are the same argument, as the module says.

    Args:
        one: The expert's.
        other: The candidate's.
        name: The parameter's name: secrets are compared exactly, commands and code but for blanks at ends of lines.
        description: Its description, which may name a unit or a format.

    >>> same_text("New York, NY", "new york ny"), same_text("1.5 km", "15 km"), same_text("x^2", "x*2")
    (True, False, False)
    """
    if one == other:
        return True
    if _SECRET.search(name):
        return False
    if _CODE.fullmatch(name) or any(rule.search(text) for rule in (_FLAG, _LINES) for text in (one, other)):
        return _lines(one) == _lines(other)
    if any(_PATH.fullmatch(text.strip()) for text in (one, other)):
        return one.strip().rstrip("/") == other.strip().rstrip("/") != ""
    if _addresses(one) != _addresses(other):
        return False
    surface = _surface(one)
    if surface == _surface(other):
        return bool(surface)
    if _joined(one, other) or _same_measure(one, other, description):
        return True
    return not _FORMAT.search(description) and _same_moment(one, other)


def _lines(text: str) -> list[str]:
    """Lines without trailing blanks; one line alone also without runs of blanks."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return lines if len(lines) > 1 else [" ".join(line.split()) for line in lines]


def _addresses(text: str) -> list[str]:
    """Mail and web addresses, host and file names, where every dot, underscore and hyphen counts, but not case."""
    words = (word.strip("\"'()[]<>{}.!?:") for word in re.split(r"[\s,;]+", text.casefold()))
    return [word for word in words if _ADDRESS.fullmatch(word)]


def _surface(text: str) -> str:
    """The text without what is mere spelling; equal for equal texts."""
    plain = _SUPERSCRIPT.sub(r"^\g<0>", text)  # else NFKC would make "102" of ten to the second
    plain = unicodedata.normalize("NFKC", plain).translate(_QUOTES).casefold().strip()
    plain = re.sub(r"(?<=\w)\s+-\s+(?=\w)", "-", plain)
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"(?<=[^\W\d_]{2})-(?=\w)|(?<=[^\W_])-(?=[^\W\d_]{2})|(?<=[,.])-(?=[^\W\d_])", " ", plain)
    plain = re.sub(r"\.(?!\d)|(?<=[^\W\d_])\.", " ", plain)
    plain = re.sub(r"(?<=\d)[\s,_]+(?=[\d.])", "|", plain)
    plain = re.sub(r"[\s,_]+", "", plain)
    return re.sub(r"\.0+", "", plain) if re.fullmatch(r"[-+]?\d+\.0+", plain) else plain


def _joined(one: str, other: str) -> bool:
    """Long runs of digits, grouped in one text and not in the other: "555-123-4567" and "5551234567"."""
    bare = [re.sub(r"(?<=[\d)])[\s-]+(?=[\d(])|[()]", "", text.strip()) for text in (one, other)]
    if bare[0] != bare[1] or not re.fullmatch(rf"\+?\d{{{_JOINABLE},}}", bare[0]):
        return False
    grouped = [text.strip() for text in (one, other) if text.strip() != bare[0]]
    return len(grouped) < 2 and all(map(_GROUPED.fullmatch, grouped))


def _same_measure(one: str, other: str, description: str) -> bool:
    """A bare number, and the same number with a unit that the description names."""
    for bare, full in ((one, other), (other, one)):
        measure = _NUMBER_WITH_UNIT.fullmatch(full.strip())
        if measure is None or not _NUMBER.fullmatch(bare.strip()) or float(bare) != float(measure[1]):
            continue
        words = set(re.findall(r"[^\W\d_]+", description.casefold()))
        unit = measure[2].casefold()
        return bool(words & {unit, unit + "s", unit + "es", unit.removesuffix("s"), unit.removesuffix("es")})
    return False


def _same_moment(one: str, other: str) -> bool:
    if not (_DIGIT.search(one) and _DIGIT.search(other)):
        return False
    return any(read(one) is not None and read(one) == read(other) for read in (_date, _time))


def _date(text: str) -> date | None:
    """A date, in a spelling that has one reading only; the 3rd of April is not read from "3/4/2024"."""
    plain = " ".join(_DATE_WORDS.sub(" ", text.casefold()).split())
    found = _YEAR_FIRST.fullmatch(plain)
    if found is not None:
        return _day(int(found[1]), int(found[3]), int(found[4]))
    found = _NAMED.fullmatch(plain)
    if found is not None:
        month = _month(found[1] or found[4])
        return _day(int(found[5]), month, int(found[2] or found[3])) if month else None
    found = _YEAR_LAST.fullmatch(plain)
    if found is None:
        return None
    low, high = sorted((int(found[1]), int(found[3])))
    return _day(int(found[4]), low, high) if high > 12 or low == high else None


def _month(name: str) -> int | None:
    full = [place for place, month in enumerate(_MONTHS, start=1) if name in (month, month[:3], month[:4])]
    return full[0] if full else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _time(text: str) -> tuple[int, int, int] | None:
    """Hour, minute and second of a time of day; "7" alone is none."""
    found = _CLOCK.fullmatch("".join(text.casefold().split()))
    if found is None or not (found[2] or found[4]):
        return None
    hour, half = int(found[1]), found[4]
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    minute, second = int(found[2] or 0), int(found[3] or 0)
    return (hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None
