"""Texts that say the same in another spelling, where nothing else tells whether they do.

Owns: when two string arguments are equal by rule. Does not own: accepted answers, which a source's own checker compares
more loosely (`verifiers.accepted`), or messages (`verifiers.message_rule`).

The rule refuses when in doubt. What it takes for spelling: case; white space; commas, underscores and quotes' shape;
full stops that are not between digits; hyphens inside words ("Global-Fabric", "covid-19"); thousands separators;
"40.0" for "40"; grouping in long runs of digits (phone and card numbers); a unit that the parameter's description
names ("21 inches" for "21"); the same date or time of day written otherwise, unless the description states a format.
What it never takes for spelling: other numbers or signs ("1.5 km" and "15 km", "-5" and "5"), operators and all
other symbols ("x^2" and "x*2", "m/s" and "ms", "C" and "C++", "A-" and "A"), anything in command lines, paths and
secrets.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime

_FLAG = re.compile(r"(?<!\S)--?[^\W\d_]")
_PATH = re.compile(r"(?:~?/|\.{1,2}/|[A-Za-z]:\\)\S*|\S*/\S*\.\w{1,5}")
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
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%B %d %Y", "%d %B %Y", "%b %d %Y", "%d %b %Y")
_TIMES = ("%H:%M", "%H:%M:%S", "%I:%M%p", "%I%p")
_SLASHED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")


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


def _surface(text: str) -> str:
    """The text without what is mere spelling; equal for equal texts."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold().strip()
    plain = re.sub(r"(?<=\w)\s+-\s+(?=\w)", "-", plain)
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"(?<=[^\W\d_]{2})-(?=\w)|(?<=[^\W_])-(?=[^\W\d_]{2})|(?<=[,.])-(?=[^\W\d_])", " ", plain)
    plain = re.sub(r"(?<!\d)\.|\.(?!\d)", " ", plain)
    plain = re.sub(r"(?<=\d)[\s,_]+(?=[\d.])", "|", plain)
    plain = re.sub(r"[\s,_]+", "", plain)
    return re.sub(r"\.0+", "", plain) if re.fullmatch(r"[-+]?\d+\.0+", plain) else plain


def _joined(one: str, other: str) -> bool:
    """Long runs of digits, grouped in one text and not in the other: "555-123-4567" and "5551234567"."""
    bare = [re.sub(r"(?<=[\d)])[\s-]+(?=[\d(])|[()]", "", text.strip()) for text in (one, other)]
    grouped = [text.strip() != plain for text, plain in zip((one, other), bare, strict=True)]
    return bare[0] == bare[1] and not all(grouped) and bool(re.fullmatch(rf"\+?\d{{{_JOINABLE},}}", bare[0]))


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
    for read in (_date, _time):
        first, second = read(one), read(other)
        if first is not None and second is not None:
            return first == second
    return False


def _date(text: str) -> date | None:
    """A date, in a spelling that has one reading only; the 3rd of April is not read from "3/4/2024"."""
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|\bof\b|,", " ", text.strip(), flags=re.I)
    plain = " ".join(plain.split())
    slashed = _SLASHED.fullmatch(plain)
    if slashed is not None:
        first, second, year = map(int, slashed.groups())
        if first == second or max(first, second) > 12:
            day, month = max(first, second), min(first, second)
            return _parsed(f"{year}-{month}-{day}", _DATES[:1])
        return None
    return _parsed(plain, _DATES)


def _time(text: str) -> date | None:
    return _parsed(re.sub(r"[\s.]", "", text).upper(), _TIMES)


def _parsed(text: str, formats: tuple[str, ...]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None
