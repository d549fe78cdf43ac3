"""Numbers with units, and dates, in answers.

Owns: reading them to values that are equal for equal amounts and days. Does not own: numbers in words
(`verifiers.searching.numerals`), comparing whole answers (`verifiers.searching.answers`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pivotgym.verifiers.searching.numerals import spelled_in_digits
from pivotgym.verifiers.searching.words import fold, month_number

_SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "k": 1e3,
    "million": 1e6,
    "mn": 1e6,
    "billion": 1e9,
    "bn": 1e9,
    "trillion": 1e12,
}
_UNITS: dict[str, tuple[str, float]] = {}
for _kind, _names in {
    "length": {
        1e-3: "mm millimetre millimeter", 1e-2: "cm centimetre centimeter", 1.0: "m metre meter",
        1e3: "km kilometre kilometer", 0.0254: "in inch inche",
        0.3048: "ft foot feet", 0.9144: "yd yard", 1609.344: "mi mile",
    },
    "mass": {1e-3: "g gram gramme", 1.0: "kg kilo kilogram", 1e3: "t ton tonne", 0.45359237: "lb pound lbs",
             0.0283495: "oz ounce"},
    "time": {1.0: "s sec second", 60.0: "min minute", 3600.0: "h hr hour", 86400.0: "day", 604800.0: "week"},
    "years": {1.0: "year yr"},
    "share": {1.0: "% percent"},
    "dollar": {1.0: "$ dollar usd"},
    "euro": {1.0: "€ euro eur"},
    "sterling": {1.0: "£ gbp"},
}.items():  # fmt: skip
    for _factor, _spelled in _names.items():
        _UNITS |= dict.fromkeys(_spelled.split(), (_kind, _factor))
UNIT_WORDS = frozenset(_UNITS)
_AMOUNT = re.compile(r"([$€£]?)\s*(-?\d+(?:[,\s]\d{3})*(?:\.\d+)?)(?!\d)\s*([a-z%\"”]*)(?:\s+([a-z]+))?")
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?(?: of)? ([a-z]{3,9})\.?,? (\d{4})\b")
_MONTH_FIRST = re.compile(r"\b([a-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b")
_MONTH_YEAR = re.compile(r"\b([a-z]{3,9})\.?,? (\d{4})\b")
_SLASHED = re.compile(r"\b(\d{1,2})[/.](\d{1,2})[/.](\d{4})\b")
Day = tuple[int, int, int]


@dataclass(frozen=True)
class Amount:
    """A number with its unit: `kind` of quantity and the value in that kind's own unit; `kind` is "" without a unit."""

    value: float
    kind: str = ""

    def same(self, other: Amount) -> bool:
        """Whether both are the same amount; a unit that only one of them has is taken for granted."""
        if self.kind and other.kind:
            return self.kind == other.kind and abs(self.value - other.value) <= 5e-3 * max(
                abs(self.value), abs(other.value)
            )
        return False


@dataclass(frozen=True)
class Read:
    """A number as it stands, and with its unit."""

    number: float
    amount: Amount

    def same(self, other: Read) -> bool:
        """Whether both say the same."""
        if self.amount.kind and other.amount.kind:
            return self.amount.same(other.amount)
        return self.number == other.number


def amount_of(text: str) -> Read | None:
    """The amount that a text is, and nothing else: `21 inches`, `$5 million`, `forty-two`; `None` otherwise."""
    plain = spelled_in_digits(fold(text)).strip(" .!").removeprefix("about ").removeprefix("approximately ")
    match = _AMOUNT.match(plain)
    if match is None or plain[match.end() :].strip(" .)"):
        return None
    sign, digits, *rest = match.groups()
    number = float(re.sub(r"[,\s]", "", digits))
    words = [word for word in rest if word]
    while words and words[0] in _SCALES:
        number *= _SCALES[words.pop(0)]
    words = ["inch" if word in ('"', "”") else word for word in words]
    unit = sign or (words.pop(0) if words else "")
    known = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if (unit and known is None) or words:
        return None
    return Read(number, Amount(number * known[1], known[0]) if known else Amount(number))


def days_of(text: str) -> frozenset[Day]:
    """The days that a text is, and nothing else: (year, month, day), 0 for a day that is left open.

    A date of figures alone has two readings where both can be.
    """
    plain = fold(text).strip(" .").removeprefix("on ").removeprefix("in ")
    for pattern, order in ((_ISO, "ymd"), (_DAY_FIRST, "dmy"), (_MONTH_FIRST, "mdy"), (_MONTH_YEAR, "my")):
        match = pattern.fullmatch(plain)
        if match is not None:
            found = _day(dict(zip(order, match.groups(), strict=True)))
            return frozenset({found} if found else ())
    match = _SLASHED.fullmatch(plain)
    if match is None:
        return frozenset()
    both = (_day(dict(zip(order, match.groups(), strict=True))) for order in ("dmy", "mdy"))
    return frozenset(day for day in both if day)


def _day(parts: dict[str, str]) -> Day | None:
    month = int(parts["m"]) if parts["m"].isdigit() else month_number(parts["m"])
    day = int(parts.get("d", 0))
    return (int(parts["y"]), month, day) if month is not None and 1 <= month <= 12 and day <= 31 else None
