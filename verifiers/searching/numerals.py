"""Numbers that are written in words or in Roman numerals, as digits.

Owns: number words and ordinals below a hundred, and Roman numerals after a name. Does not own: amounts with units and
dates (`verifiers.searching.quantities`).
"""

from __future__ import annotations

import re

_ONES_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_NTH_WORDS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ROMAN_WORDS = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx xxi"
_ONES, _NTHS = _ONES_WORDS.split(), _NTH_WORDS.split()
_TENS = {word: 10 * place for place, word in enumerate(_TENS_WORDS.split(), 2)}
_ROMANS = {word: str(number) for number, word in enumerate(_ROMAN_WORDS.split(), 1) if len(word) > 1}
"""Of one letter, a numeral is rather an initial."""


def _nth(number: int) -> str:
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


_DIGITS = (
    {word: str(number) for number, word in enumerate(_ONES)}
    | {word: _nth(number) for number, word in enumerate(_NTHS)}
    | {word: str(number) for word, number in _TENS.items()}
    | {f"{word[:-1]}ieth": _nth(number) for word, number in _TENS.items()}
    | {f"{tens}-{word}": str(_TENS[tens] + one) for tens in _TENS for one, word in enumerate(_ONES[:10]) if one}
    | {f"{tens}-{word}": _nth(_TENS[tens] + one) for tens in _TENS for one, word in enumerate(_NTHS[:10]) if one}
)
_LONGEST_FIRST = "|".join(sorted(_DIGITS, key=len, reverse=True)).replace("-", "[- ]")
# After a number, a second is a time.
_WORDS = re.compile(rf"(?<!\d )(?<!\bone )\b(?:{_LONGEST_FIRST})\b")
_NUMERALS = re.compile(rf"(?<=\w )(?:{'|'.join(sorted(_ROMANS, key=len, reverse=True))})\b")


def spelled_in_digits(text: str) -> str:
    """A text in lower case with its numbers below a hundred as digits: `forty-two` as `42`, `third` as `3rd`.

    Roman numerals of two letters and more are numbers after another word: `war ii` is `war 2`.
    """
    plain = _WORDS.sub(lambda match: _DIGITS[match[0].replace(" ", "-")], text)
    return _NUMERALS.sub(lambda match: _ROMANS[match[0]], plain)
