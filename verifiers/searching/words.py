"""Words of queries, pages and answers.

Owns: how a text is cut into words for the index and for verdicts, which words say nothing, and what is a number, a year
or a name. Does not own: ranking (`envs.browsing.search`), or verdicts.

A word is a run of letters and digits, without accents, in lower case; a final plural `s` goes from words of four and
more letters. Characters of scripts that write no spaces are words of their own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

VERSION = "1"
"""Raised with every change of `words`: an index built by another version is not used."""
_LONGEST = 64
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W_{_SPACELESS}]+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:st|nd|rd|th)?(?![\w])|\b(?:1\d|20)\d\ds\b")
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_NTH = {word: str(number) for number, word in enumerate(_ORDINALS.split(), 1)}
_JOINED = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")

_STOP = (
    "a an and any are as at be been being but by can could did do does for from had has have he her him his how i if "
    "in into is it its me my no not of on or our please s she should so such than that the their them then there these "
    "they this those to us was we were what when where which while who whom whose why will with would you your "
    "about detail find information look list show tell"
)
STOP_WORDS = frozenset(_STOP.split())
"""Words that say nothing in a query, as `words` gives them. `no` and `not` are among them: engines drop them too."""
_MONTHS = "january february march april may june july august september october november december"
MONTHS = tuple(_MONTHS.split())
_MONTH = (
    {name: number for number, name in enumerate(MONTHS, 1)}
    | {name[:3]: number for number, name in enumerate(MONTHS, 1)}
    | {"sept": 9}
)
_DAYS = frozenset(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))


def fold(text: str) -> str:
    """A text in lower case without accents; compatible characters (full width, ligatures) are one."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def words(text: str) -> list[str]:
    """The words of a text in order, as the index has them."""
    return [stem(word[:_LONGEST]) for word in _WORD.findall(text.lower() if text.isascii() else fold(text))]


def stem(word: str) -> str:
    """A word without its plural `s`."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def content_words(text: str) -> list[str]:
    """The words of a query that count, each once, in order; all of them where none counts."""
    found = dict.fromkeys(words(text))
    return [word for word in found if word not in STOP_WORDS] or list(found)


def numbers(text: str) -> frozenset[str]:
    """Numbers and years of a text by value: `2,000` is `2000`, `40.0` is `40`, `first` and `1st` are `1`.

    Both ends of a range are numbers.
    """
    found = {_NTH[word] for word in text.lower().split() if word in _NTH}
    for match in _NUMBER.findall(text):
        plain = re.sub(r"[a-z,]", "", match)
        found.add(plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0") or "0")
    return frozenset(found)


def months(text: str) -> frozenset[str]:
    """Months (as `month 3`) and days of the week that a text names. `may` and `march` only with a capital letter."""
    found = set()
    for word in _WORD.findall(text):
        low = word.casefold()
        if low in _DAYS or (low in _MONTH and (low not in ("may", "march", "mar", "sept", "dec") or word[0].isupper())):
            found.add(low if low in _DAYS else f"month {_MONTH[low]}")
    return frozenset(found)


def month_number(word: str) -> int | None:
    """1 to 12 for the name of a month, also a short one; `None` for any other word."""
    return _MONTH.get(word.casefold())


@lru_cache(maxsize=4096)
def names(text: str) -> frozenset[str]:
    """Words of a text that are names by their capital letters; the first word only where it has more than one.

    A text in capitals alone names nothing by them.
    """
    found = _JOINED.findall(text)
    capital = [word for word in found if word[0].isupper()]
    if len(found) > 1 and text.isupper():
        return frozenset()
    named = {
        part
        for place, word in enumerate(found)
        if word in capital and (place > 0 or sum(char.isupper() for char in word) > 1 or _named_next(found))
        for part in words(word)
    }
    return frozenset(named - STOP_WORDS - set(map(stem, MONTHS)))


def _named_next(found: list[str]) -> bool:
    """Whether the first word begins a name: the next one has a capital letter too."""
    return len(found) > 1 and found[1][0].isupper() and found[0].casefold() not in STOP_WORDS
