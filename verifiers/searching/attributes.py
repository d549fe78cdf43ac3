"""What a query asks for: words of one meaning as one, and the attribute apart from the thing that it is asked of.

Owns: word forms, the few words that queries use for one another, and which words only say what kind of thing is named.
Does not own: names and stop words (`verifiers.searching.words`), or comparing queries (`verifiers.searching.queries`).

Only the text rule needs this: where there is a corpus, its results say what a query asks for.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from pivotgym.verifiers.searching.words import content_words, words

_ENDINGS = re.compile(r"(?<=[a-z]{4})(?:ations?|itions?|ions?|ings?|ments?|ors?|ers?|ed|es|e|ally|al|ly|ity|s)$")
_SAID_BY = (
    "born birth birthday birthdate",
    "die died dead death",
    "wife husband spouse married marry",
    "place where location located locate state province county country nationality nation city town",
    "date when year day time",
    "count number many",
    "film movie filmography",
    "firm company corporation",
    "found founded founding establish established create created start",
    "author writer write wrote written",
    "play actor actress cast star starring starred role portray",
    "singer sing sang song artist vocalist vocal",
    "famous known best popular",
    "first debut",
    "tv television",
    "nickname nicknamed",
    "job profession occupation career",
    "origin origins history background",
)
_QUESTIONS = re.compile(r"\b(how many|how old|date of birth|when|where)\b", re.IGNORECASE)
_QUESTION_WORDS = {"how many": "number", "how old": "birth", "date of birth": "birth"}
_KIND_WORDS = (
    "film band album book novel series show genus species mountain peak river lake island city town university "
    "college school team club group game dog breed plant magazine list full name resort anthology complete"
)


def form(word: str) -> str:
    """A word without the ending of its form: `founding`, `founded` and `founder` are `found`."""
    return _ENDINGS.sub("", word)


_MEANINGS = {form(word): line.split()[0] for line in _SAID_BY for word in words(line)}
_ATTRIBUTE = 3
_WEAK = frozenset(("date", "place", "count"))
_KINDS = frozenset(_MEANINGS.get(form(word), form(word)) for word in words(_KIND_WORDS)) - _WEAK


@lru_cache(maxsize=4096)
def meanings(query: str, named: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What the words of a query mean, each once, in order: names as they are, the others by form and meaning."""
    asked = {_QUESTION_WORDS.get(found.lower(), found.lower()) for found in _QUESTIONS.findall(query)}
    plain = [word if word in named else _meaning(word) for word in content_words(query)]
    return tuple(dict.fromkeys([*plain, *sorted(map(_meaning, asked))]))


def other_attribute(expert: str, candidate: str, named: Collection[str]) -> bool:
    """Whether two queries ask for nothing in common of what both name; a query of names alone asks for anything.

    More than three words are a description, which may be put in other words altogether.
    """
    both = frozenset(named).intersection(content_words(expert), content_words(candidate))
    due, given = (
        frozenset(word for word in meanings(query, both) if word not in both and word.isalpha())
        for query in (expert, candidate)
    )
    told = _told(due), _told(given)
    if not all(0 < len(some) <= _ATTRIBUTE for some in told):
        return False
    return not told[0] & given and not told[1] & due


def _told(asked: frozenset[str]) -> frozenset[str]:
    """The words that tell most: `birth date` asks for a birth, `location of the mountain` for a place."""
    return asked - _WEAK - _KINDS or asked - _KINDS or asked


def _meaning(word: str) -> str:
    return _MEANINGS.get(form(word), form(word))
