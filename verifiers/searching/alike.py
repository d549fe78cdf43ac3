"""Words of two queries that are one word: typing errors, compounds, initials, and other names of a country.

Owns: which words of one text stand for which of another. Does not own: what words mean (`searching.attributes`), names
and stop words (`searching.words`), or comparing queries (`searching.queries`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from pivotgym.verifiers.searching.numerals import spelled_in_digits
from pivotgym.verifiers.searching.words import fold, words

_LETTERS = re.compile(r"[^\W\d_]+")
_ALIKE = 0.8
"""Least similarity of two spellings of a name."""
_TYPED = 5
"""Letters from which one letter more, less or other is a typing error, where the word is not there itself."""
_CAPITALS = re.compile(r"\b[A-Z]{2,5}\b")
_MOST = 400
"""Pairs of words whose spelling is compared; longer queries, which nobody types, are compared word by word."""
_OTHER_NAMES = tuple(
    frozenset(line.split())
    for line in (
        "us usa america american united state", "uk united kingdom britain british", "eu europe european union",
        "france french", "netherland dutch holland", "spain spanish", "denmark danish", "switzerland swiss",
        "greece greek", "wale welsh", "ireland irish", "england english", "china chinese", "ussr soviet union",
        "saint st", "mount mt", "junior jr", "senior sr",
    )
)  # fmt: skip
"""Names of one country and its people where the one is not the beginning of the other, and short forms in names, as
`words` gives them."""


def missing(named: Collection[str], known: Collection[str], text: str) -> list[str]:
    """The names that do not stand in a text in another spelling, as part of a longer word, or in its initials."""
    if not named:
        return []
    letters = "".join(part[0] for part in _LETTERS.findall(fold(text)))
    known = known if len(named) * len(known) <= _MOST else ()
    return [
        word
        for word in named
        if not word.isdigit() and not (1 < len(word) <= 5 and word in letters) and not _spelled_in(word, known)
    ]


def _spelled_in(word: str, known: Collection[str]) -> bool:
    """Whether a name is one of some words in another spelling, part of a longer one, or another word for a country."""
    if any(word in other or other in word for other in known if min(len(word), len(other)) > 3):
        return True
    if any(word in alike and not alike.isdisjoint(known) for alike in _OTHER_NAMES):
        return True
    if any(1 in (len(word), len(other)) and word[0] == other[0] for other in known):
        return True
    alike = SequenceMatcher(b=word)
    for other in known:
        alike.set_seq1(other)
        if alike.real_quick_ratio() >= _ALIKE and alike.quick_ratio() >= _ALIKE and alike.ratio() >= _ALIKE:
            return True
    return any(mistyped(word, other) for other in known)


def in_capitals(text: str) -> frozenset[str]:
    """The words of a text that are initials, as `words` gives them; none where all of it is in capitals."""
    return frozenset() if text.isupper() and " " in text else frozenset(words(" ".join(_CAPITALS.findall(text))))


def aligned(
    ours: Sequence[str], theirs: Sequence[str], apart: Collection[str] = (), initials: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The words of two queries, where one word in two spellings has that of the first query.

    Args:
        ours: Words of one query, in order.
        theirs: Words of the other.
        apart: Words that stand for themselves, such as both things that a question compares.
        initials: Words that may stand for the words that begin with their letters.
    """
    first, second = _compounds(list(ours), set(theirs)), _compounds(list(theirs), set(ours))
    first, second = _shortened(first, second, initials), _shortened(second, first, initials)
    taken, given = set(first), set(second)
    free = [word for word in first if word not in given]
    if len(free) * len(given - taken) > _MOST:
        return first, second
    spelled = {
        word: next((one for one in free if _one_word(one, word) and not {one, word} <= set(apart)), word)
        for word in second
        if word not in taken
    }
    return first, [spelled.get(word, word) for word in second]


def _one_word(one: str, other: str) -> bool:
    if _in_digits(one) == _in_digits(other):
        return True
    return mistyped(one, other) or any(one in alike and other in alike for alike in _OTHER_NAMES)


@lru_cache(maxsize=4096)
def _in_digits(word: str) -> str:
    # A Roman numeral is one after another word only.
    return spelled_in_digits(f"no {word}")


def mistyped(one: str, other: str) -> bool:
    """Whether two words differ by two letters exchanged, or, from five letters on, by a letter more, less or other."""
    if one == other or abs(len(one) - len(other)) > 1 or not (one.isalpha() and other.isalpha()):
        return False
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None or min(len(one), len(other)) < _TYPED - 1:
        return start is None and min(len(one), len(other)) >= _TYPED
    rest, rests = one[start:], other[start:]
    if rest[:2] == rests[1::-1] and rest[2:] == rests[2:]:
        return True
    return min(len(one), len(other)) >= _TYPED and (rest[1:] == rests[1:] or rest[1:] == rests or rest == rests[1:])


def _compounds(row: list[str], other: Collection[str]) -> list[str]:
    """Two words in a row as one, where the other query writes them as one."""
    found: list[str] = []
    for word in row:
        if found and found[-1] + word in other and not {found[-1], word} <= set(other):
            found[-1] += word
        else:
            found.append(word)
    return found


def _shortened(row: list[str], other: Collection[str], initials: Collection[str]) -> list[str]:
    """Words in a row as their initials, where the other query has those: `european union` as `eu`."""
    firsts = "".join(word[0] for word in row)
    for short in sorted(initials):
        start = firsts.find(short) if short in other and short not in row else -1
        run = row[start : start + len(short)]
        if start >= 0 and not any(word in other for word in run):
            return [*row[:start], short, *row[start + len(short) :]]
    return row
