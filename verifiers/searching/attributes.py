"""What a query asks for: words of one meaning as one, and the attribute apart from the thing that it is asked of.

Owns: word forms, the words that queries use for one another, which words only say what kind of thing is named, and
whether a date, a place or a number is asked for. Does not own: names and stop words (`verifiers.searching.words`), or
comparing queries (`verifiers.searching.queries`).

Only the text rule needs this: where there is a corpus, its results say what a query asks for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from pivotgym.verifiers.searching.words import STOP_WORDS, content_words, words

_ENDINGS = re.compile(r"(?<=[a-z]{4})(?:ations?|itions?|ions?|ings?|ments?|ors?|ers?|ed|es|e|ally|al|ly|ity|s)$")
_SAID_BY = (
    "born birth birthday birthdate birthplace native",
    "die died dies dead death deceased",
    "bury buried burial grave tomb resting rest",
    "wife husband spouse married marry partner marriage",
    "parent parents",
    "child children kids",
    "relative relation relationship",
    "place where location located locate situated state province county country nationality nation city town "
    "region district territory municipality citizenship headquarter headquarters headquartered based hometown",
    "date when year day time",
    "count number many total",
    "film movie filmography",
    "firm company corporation business",
    "found founded founding establish established create created creator creation start started form formed formation",
    "author writer write wrote written songwriter",
    "play actor actress cast star starring starred role portray played player",
    "singer sing sang song artist vocalist vocal",
    "musician music musical band",
    "famous known best popular notable",
    "first debut",
    "tv television",
    "nickname nicknamed alias",
    "job profession occupation career work working",
    "origin origins history background",
    "study studied educated education graduate graduated alma mater attend attended",
    "own owns owner ownership owned",
    "make made maker manufacturer manufacture produce produced product producer production",
    "build built builder construct constructed construction",
    "high height tall elevation altitude",
    "long length",
    "deep depth",
    "big large largest biggest size area",
    "people inhabitant inhabitants population populous resident",
    "cost budget price",
    "language speak spoken",
    "currency money",
    "win won winner champion championship victory",
    "award awards prize honor honour medal",
    "member members lineup",
    "religion faith religious belief believe",
    "lead leader head chief chair chairman",
    "name title called named",
    "flow tributary outflow",
    "join entry admission admitted admit",
    "near border neighbouring neighboring neighbour adjacent",
    "soccer football footballer",
    "species kinds",
    "sport athletics athlete",
    "website site homepage url",
    "office politician officeholder",
    "host presenter anchor anchored presented hosted",
    "war battle conflict fight fought",
    "ethnicity race ethnic",
    "after subsequent sequel successor succeeded succeed followed",
    "previous former past predecessor",
    "organisation organization agency institution association",
    "car automobile vehicle",
    "doctor physician",
    "coach coached trainer manager managed",
    "murder murdered kill killed killer assassin assassinated",
    "discover discovered discovery invent invented inventor invention",
    "ruler rule ruled monarch reign king queen",
    "ship vessel",
    "employ employee employees staff",
    "design designer designed architect architecture",
    "illness disease sickness",
    "student pupil",
    "song track single",
    "series programme program",
    "degree qualification",
    "income salary earnings",
    "debate controversy",
    "leave left departure",
)
_QUESTIONS = re.compile(
    r"\b(how many|how old|how tall|how high|how long|how big|how deep|date of birth|when|where|from(?=\W*$))\b",
    re.IGNORECASE,
)
_QUESTION_WORDS = {"how many": "number", "how old": "birth", "date of birth": "birth", "how tall": "height"} | {
    "how high": "height", "how long": "length", "how big": "size", "how deep": "depth", "from": "origin"}  # fmt: skip
_WHO = re.compile(r"\W*who(?:m|se)?\b", re.IGNORECASE)
_COMMANDS = re.compile(
    r"^\W*(?:please\s+)?(?:(?:can|could) you\s+)?(?:give(?: me| us)?|list|name|show(?: me| us)?|tell (?:me|us)|count|"
    r"find|search(?: for)?|look up)\b(?:\s+(?:all|the|a|an|some|any|of|few|me)\b)*|\bsite:\S+",
    re.IGNORECASE,
)
_COMPOUNDS = re.compile(r"\b(birth|death|burial|home)(place|date|day|year|town)s?\b", re.IGNORECASE)
_SAYING_LITTLE = frozenset(("all", "some", "give", "different", "various", "total", "also", "there", "whose", "both"))
_KIND_WORDS = (
    "film band album book novel series show genus species mountain peak river lake island city town university "
    "college school team club group game dog breed plant magazine list full name resort anthology complete "
    "person man woman someone thing official television"
)


def form(word: str) -> str:
    """A word without the ending of its form: `founding`, `founded` and `founder` are `found`."""
    plain = _ENDINGS.sub("", word)
    return plain[:-1] + "i" if len(plain) > 3 and plain.endswith("y") else plain


_MEANINGS = {form(word): line.split()[0] for line in reversed(_SAID_BY) for word in words(line)}
_ATTRIBUTE = 3
_TYPES = frozenset(("date", "place", "count"))
_KINDS = frozenset(_MEANINGS.get(form(word), form(word)) for word in words(_KIND_WORDS)) - _TYPES


@lru_cache(maxsize=4096)
def asking(query: str) -> tuple[str, ...]:
    """The content words of a query in order, without what only orders an answer: `give me all`, `site:...`."""
    plain = _COMPOUNDS.sub(r"\1 \2", _COMMANDS.sub(" ", query))
    found = content_words(plain)
    telling = [word for word in found if word not in _SAYING_LITTLE and word not in STOP_WORDS]
    return tuple(telling or found or content_words(query))


@lru_cache(maxsize=4096)
def questions(query: str) -> tuple[str, ...]:
    """What the question words of a query ask for: `when` is `date`."""
    asked = {_QUESTION_WORDS.get(found.lower(), found.lower()) for found in _QUESTIONS.findall(query)}
    return tuple(sorted(map(_meaning, asked)))


def asks_otherwise(expert: str, candidate: str) -> bool:
    """Whether one query asks who and the other when, where or how many."""
    asked = [{*questions(query), *(["person"] if _WHO.match(query) else [])} for query in (expert, candidate)]
    return all(asked) and asked[0].isdisjoint(asked[1]) and any("person" in some for some in asked)


def meanings(found: Iterable[str], named: Collection[str] = ()) -> tuple[str, ...]:
    """What words mean, each once, in order: names as they are, the others by form and meaning."""
    return tuple(dict.fromkeys(word if word in named else _meaning(word) for word in found))


def other_attribute(due: Collection[str], given: Collection[str], both: Collection[str]) -> bool:
    """Whether two queries ask for nothing in common of what both name; a query of names alone asks for anything.

    More than three words are a description, which may be put in other words altogether.

    Args:
        due: Meanings of one query.
        given: Meanings of the other.
        both: Names that both have.
    """
    ours, theirs = (frozenset(word for word in some if word not in both and word.isalpha()) for some in (due, given))
    types = ours & _TYPES, theirs & _TYPES
    if types[0] and types[1] and not types[0] & types[1]:
        return True
    told = _told(ours), _told(theirs)
    if not all(0 < len(some) <= _ATTRIBUTE for some in told):
        return False
    return not told[0] & theirs and not told[1] & ours


def _told(asked: frozenset[str]) -> frozenset[str]:
    """The words that tell most: `birth date` asks for a birth, `location of the mountain` for a place."""
    return asked - _TYPES - _KINDS or asked - _KINDS or asked


def _meaning(word: str) -> str:
    return _MEANINGS.get(form(word), form(word))
