"""The facts of an English text: dates, times, amounts, numbers, ids, quoted words and names, each in one spelling.

Owns: finding facts, and when two of them are the same. Does not own: which facts are due (`verifiers.message_rule`).

A fact is found once, by the first kind that fits: address of a page or mailbox, date, time, telephone number, amount,
id (letters mixed with digits, capitals, underscores), number, quoted words, name. Numbers of list items and headings
are no facts, nor are names by which the user is greeted. Numbers written as words are *soft*: they can satisfy a fact
but are never due.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from pivotgym.verifiers.messages.names import places_of_names, shouted, word_set

Kind = Literal["date", "time", "number", "id", "quote", "name"]

_MONTHS = re.findall(r"\w+", "january february march april may june july august september october november december")
_MONTH_OF = {name[:length]: at for at, name in enumerate(_MONTHS, 1) for length in (3, len(name))} | {"sept": 9}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATES = [
    re.compile(rf"(?<![\w-]){_YEAR}([-/.])(?P<month>0?[1-9]|1[0-2])\2{_DAY}(?:(?=T\d)|(?![\w-]))", re.I),
    re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}\b(?:,?\s+(?:of\s+)?{_YEAR}\b)?", re.I),
    re.compile(rf"\b{_DAY}(?:\s+of)?[\s-]+{_MONTH}(?![a-z])(?:,?[\s-]+{_YEAR}\b)?", re.I),
    re.compile(rf"\b{_MONTH},?\s+{_YEAR}\b", re.I),
]
_SLASHED = re.compile(r"(?<![\w/.-])(\d{1,2})([/.])(\d{1,2})\2((?:19|20)?\d\d)(?![\w/-]|\.\d)")
_TIME = re.compile(
    r"(?<![\w:.])T?(?P<hour>2[0-3]|[01]?\d)(?!\d)(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\b\.?)?(?:\+\d\b)?",
    re.I,
)
_ADDRESS = re.compile(r"https?://[^\s<>\")]+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[ .-]?)?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)|(?<!\w)\+\d[\d ()-]{7,}\d(?!\w)"
)
_CURRENCY = {"$": "usd", "us$": "usd", "usd": "usd", "dollar": "usd", "€": "eur", "eur": "eur", "euro": "eur"}
_CURRENCY |= {"£": "gbp", "gbp": "gbp", "pound": "gbp", "¥": "jpy", "jpy": "jpy", "yen": "jpy", "%": "%"}
_CURRENCY |= {"percent": "%", "per cent": "%", "cad": "cad", "aud": "aud", "chf": "chf", "inr": "inr", "₹": "inr"}
_NUMBER = re.compile(
    r"(?:(?P<before>US\$|[$€£¥₹]|\b(?:USD|EUR|GBP|JPY|CAD|AUD|CHF|INR))\s*)?(?<![\w.])"
    r"(?P<value>\d+(?:[.,]\d+)*)(?:st|nd|rd|th)?"
    r"(?:\s*(?P<after>%|€|£|¥|(?:percent|per cent|dollar|euro|pound|yen)s?\b|(?:USD|EUR|GBP|JPY|CAD|AUD|CHF|INR)\b))?",
    re.I,
)
_ID = re.compile(
    r"(?<![\w])(?=[\w-]{0,80}?\d)(?=[\w-]{0,80}?[^\W\d_])\w+(?:[-_]\w+|\.\d+)*|(?<!\w)[^\W\d]+(?:_\w+)+|"
    r"(?<!\d)\d+(?:\.\d+){2,}"
)
_CODE = re.compile(r"\b[A-Z]{3,}\b")
_NO_CODES = word_set(
    "EST EDT CST CDT MST MDT PST PDT GMT UTC CET USD EUR GBP JPY CAD AUD CHF INR NOT AND BUT YES ALL ANY ASAP "
    "FYI DOB FAQ "
    "PDF API URL VIP TBD NONE NOTE IMPORTANT PLEASE ONLY THE STOP THANK YOU FOR ARE MUST WILL USA ETA OTP CVV PIN"
)
_QUOTED = re.compile(r"\"([^\"\n]{1,80})\"|“([^”\n]{1,80})”|(?<!\w)'([^'\n]{2,80})'(?!\w)|`([^`\n]{1,80})`")
_NUMBERED = r"(?:option|choice|step|item|flight|passenger|segment|leg|part)[ \t]+\d{1,2}[ \t]*:"
_ITEM = re.compile(
    rf"^[ \t]*(?:[-+#\u2022>|]+[ \t]*)?(?:\(?\d{{1,2}}[.)][ \t]+(?:{_NUMBERED})?|{_NUMBERED})", re.M | re.I
)
_SMALL = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_TENS = re.findall(r"\w+", "thirty forty fifty sixty seventy eighty ninety")
_WORDS = {word: at for at, word in enumerate(_SMALL)} | {word: 10 * at for at, word in enumerate(_TENS, 3)}
_WORD_NUMBER = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b(?![-\w])", re.I)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[-'][^\W\d_]+)*|[^\w\s$€£%]")
_BETWEEN = word_set("of to on for your the a an from in with dollar dollars usd euros more additional")
_KEPT_CHARACTERS = 4000


@dataclass(frozen=True)
class Fact:
    """One fact of a text.

    Attributes:
        kind: What it is.
        text: As it was written.
        keys: Its spellings; a date that can be read in two ways has two, `----` stands for a year that is not said.
        unit: Currency or `%`; empty where none is said.
        soft: Whether it is never due.
        at: Where in the text it stands; does not count when facts are compared.
    """

    kind: Kind
    text: str
    keys: frozenset[str]
    unit: str = ""
    soft: bool = False
    at: int = field(default=0, compare=False)

    def same(self, other: Fact) -> bool:
        """Whether two facts agree; what only one of them says (a year, a currency) does not part them."""
        if self.kind == other.kind == "date":
            return any(_same_date(one, another) for one in self.keys for another in other.keys)
        if self.unit and other.unit and self.unit != other.unit:
            return False
        return bool(self.keys & other.keys)


def _same_date(one: str, other: str) -> bool:
    return one == other or (one[4:] == other[4:] and "----" in (one[:4], other[:4]))


def facts(text: str) -> list[Fact]:
    """The facts of a text, each once.

    >>> [(fact.kind, *fact.keys) for fact in facts("Order #W12 costs $1,250.00 on May 16th.")]
    [('id', 'w12'), ('number', '1250'), ('date', '-----05-16')]
    """
    return list(dict.fromkeys(occurrences(text)))


def occurrences(text: str) -> list[Fact]:
    """The facts of a text in the order in which they stand there, each as often as it is said."""
    return list(_kept(text) if len(text) <= _KEPT_CHARACTERS else _found(text))


@lru_cache(maxsize=1024)
def _kept(text: str) -> tuple[Fact, ...]:
    """What was found in short texts: a group of actions shares the expert's."""
    return _found(text)


def _found(text: str) -> tuple[Fact, ...]:
    found: list[Fact] = []
    loud = shouted(text)
    rest = _ITEM.sub(lambda item: " " * len(item.group()), text.replace("\u2019", "'").replace("*", " "))
    for search in _SEARCHES:
        if not (loud and search[0] is _CODE):
            rest = _take(rest, search, found)
    found.extend(Fact("name", name, frozenset({name.casefold()}), at=at) for at, name in places_of_names(rest))
    return tuple(sorted(found, key=lambda fact: fact.at))


def counts(text: str) -> dict[str, set[str]]:
    """Which numbers stand before which words: up to two words after a number, in the same clause.

    >>> counts("Three checked bags, $128 to the gift card.")["gift"]
    {'128'}
    """
    for pattern in (*_DATES, _SLASHED, _TIME):
        text = pattern.sub(lambda match: " ; " if _reads(match) else match.group(), text)
    found: dict[str, set[str]] = {}
    tokens = _TOKEN.findall(_ITEM.sub("\n", text).casefold())
    for at, token in enumerate(tokens):
        number = str(_WORDS[token]) if token in _WORDS else plain_number(token) if token[0].isdigit() else ""
        if number and re.fullmatch(r"\d+(?:\.\d+)?", number):
            for noun in _nouns(tokens[at + 1 :]):
                found.setdefault(noun, set()).add(number)
    return found


def _reads(match: re.Match[str]) -> bool:
    return match.re is not _TIME or _time(match) is not None


def _nouns(tokens: list[str]) -> list[str]:
    """The first two words that stand for something, within four tokens, up to the next number or the clause's end."""
    nouns: list[str] = []
    for token in tokens[:5]:
        if (
            not token.replace("-", "").isalpha()
            or token in _WORDS
            or token in {"and", "or", "but", "is", "are", "was", "will"}
        ):
            break
        if token not in _BETWEEN:
            nouns.append(token.removesuffix("s"))
    return nouns[:2]


def _take(text: str, search: tuple[re.Pattern[str], Callable[[re.Match[str]], Fact | None]], found: list[Fact]) -> str:
    """Collect what a search finds, and blank it, so that no later search finds a part of it."""
    pattern, read = search

    def blank(match: re.Match[str]) -> str:
        fact = read(match)
        if fact is None:
            return match.group()
        found.append(replace(fact, at=match.start()))
        return "\x00" * len(match.group())

    return pattern.sub(blank, text)


def _date(match: re.Match[str]) -> Fact | None:
    parts = match.groupdict()
    month = int(parts["month"]) if parts["month"].isdigit() else _MONTH_OF[parts["month"].casefold()]
    day = f"-{int(parts['day']):02}" if parts.get("day") else ""
    return Fact("date", match.group(), frozenset({f"{parts['year'] or '----'}-{month:02}{day}"}))


def _slashed(match: re.Match[str]) -> Fact | None:
    first, second, year = int(match[1]), int(match[3]), match[4]
    year = year if len(year) == 4 else f"20{year}"
    readings = {(first, second), (second, first)}
    keys = {f"{year}-{month:02}-{day:02}" for month, day in readings if 1 <= month <= 12 and 1 <= day <= 31}
    return Fact("date", match.group(), frozenset(keys)) if keys else None


def _time(match: re.Match[str]) -> Fact | None:
    parts = match.groupdict()
    if not parts["minute"] and not parts["half"]:
        return None
    hour = int(parts["hour"])
    if parts["half"]:
        hour = hour % 12 + (12 if parts["half"].casefold() == "p" else 0)
    seconds = parts["second"] if parts["second"] not in (None, "00") else ""
    key = f"{hour:02}:{parts['minute'] or '00'}" + (f":{seconds}" if seconds else "")
    return Fact("time", match.group(), frozenset({key}))


def _address(match: re.Match[str]) -> Fact:
    return Fact("id", match.group(), frozenset({match.group().rstrip(".,;/").casefold()}))


def _phone(match: re.Match[str]) -> Fact:
    return Fact("number", match.group(), frozenset({re.sub(r"\D", "", match.group())[-10:]}))


def _identifier(match: re.Match[str]) -> Fact | None:
    word = match.group().strip("-_")
    if re.fullmatch(r"\d+(?:st|nd|rd|th)", word, re.I):
        return None
    return Fact("id", word, frozenset({word.casefold()}))


def _code(match: re.Match[str]) -> Fact | None:
    return None if match.group() in _NO_CODES else Fact("id", match.group(), frozenset({match.group().casefold()}))


def _number(match: re.Match[str]) -> Fact:
    unit = (match["before"] or match["after"] or "").strip().casefold()
    unit = _CURRENCY.get(unit) or _CURRENCY.get(unit.removesuffix("s"), "")
    return Fact("number", match.group().strip(), frozenset({plain_number(match["value"])}), unit)


def plain_number(text: str) -> str:
    """A number without thousands separators and trailing zeros.

    >>> plain_number("1,250.00"), plain_number("1.250,50"), plain_number("3,5"), plain_number("007")
    ('1250', '1250.5', '3.5', '007')
    """
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", text):
        text = text.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", text):
        text = text.replace(",", ".")
    if not re.fullmatch(r"\d+\.\d+", text):
        return text
    return f"{Decimal(text).normalize():f}"


def _quote(match: re.Match[str]) -> Fact | None:
    words = next(filter(None, match.groups())).strip(" .,;:!?")
    return Fact("quote", words, frozenset({" ".join(words.split()).casefold()})) if words else None


def _word_number(match: re.Match[str]) -> Fact:
    return Fact("number", match.group(), frozenset({str(_WORDS[match.group().casefold()])}), soft=True)


def _searches() -> Iterator[tuple[re.Pattern[str], Callable[[re.Match[str]], Fact | None]]]:
    yield _ADDRESS, _address
    for pattern in _DATES:
        yield pattern, _date
    yield _SLASHED, _slashed
    yield _PHONE, _phone
    yield _TIME, _time
    yield _QUOTED, _quote
    yield _ID, _identifier
    yield _NUMBER, _number
    yield _CODE, _code
    yield _WORD_NUMBER, _word_number


_SEARCHES = tuple(_searches())
