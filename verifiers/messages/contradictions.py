"""Where one text says the contrary of another.

Owns: finding contradictions. Does not own: facts that are missing or invented (`verifiers.message_rule`).

Contradictions are read from forms, not from meaning: the same facts in the same order but for one; other values after
the same label, beside the same id or name, or before the same noun; the way back for the way there; a clause that
denies what a clause of nearly the same words affirms; a word where the other text has its opposite; another weekday.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pivotgym.verifiers.messages.facts import Fact, counts, facts, occurrences
from pivotgym.verifiers.messages.names import LABELLED
from pivotgym.verifiers.messages.wording import COMMON, meaning, stem

_DENIES = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|unable|fail(?:s|ed)?|lacks?|"
    r"\w+n't)\b|\bnon-"
)
_NO_LABEL = re.compile(
    r"(?mi)^[ \t]*(?:[-+\u2022>|][ \t]*)*(?P<label>[^\W\d_][\w' /()-]{0,39}):[ \t]+(?:no|none|not \w+)\.?$"
)
"""A line such as `- Insurance: no`."""
_MOST_VALUES = 200
_MOST_BESIDE = 50
"""Facts of one clause, and values beside one id or name; where there are more, what belongs to what is not told."""
_REACH = 3
"""Content words after a negation that count as denied."""
_CLAUSE = re.compile(
    r"(?<![.;:!?\n,()])[.;:!?\n,()]+\s|\s[-\u2013\u2014]\s|\b(?:but|however|although|because|so that|while|and)\b"
)
_OPPOSITES = [
    tuple(side.split("|") for side in pair.split(" / "))
    for pair in (
        "cancel / book|reserve|confirm|keep|reinstate",
        "refund|reimburse / charge|debit",
        "add / remove|delete",
        "increase|raise / decrease|reduce|lower",
        "upgrade / downgrade",
        "approve|accept / deny|reject|decline",
        "include / exclude",
        "enable|activate / disable|deactivate",
        "open / close",
        "before / after",  # a day or a time
        "cheapest|lowest / highest",
        "earliest / latest",
        "succeed|successful|successfully|complete / fail",
        "depart|departure / arrive|arrival",
        "buy / sell",
        "return / exchange",
    )
]
_UN = re.compile(r"\b(?:un(?=(?:available|successful)\b)|in(?=(?:eligible|complete|valid)\b))")
_DENIED = re.compile(
    r"\b(?:not|no|never|cannot|unable|\w+n't)(?: (?:be|been|being|yet|currently|able|to)){0,3} (?P<word>[^\W\d_]+)"
)
_WHILE = re.compile(
    r"\b(?:before|after)\b(?! (?:the )?(?:\d|\w{3,9}day\b|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.? \d))"
)
"""`before you reply` orders what is said, as `after` does the other way round; `before May 3` does not."""
_WAY = re.compile(r"(?<!\w)(\w+)\)?\s*(?:\bto\b|\u2192|->|\u2013)\s*(?:[a-z]+ )?\(?(\w+)")
_PART = re.compile(r"(?<=[.!?;])[ \t]+|,? (?:and|then) |\n")
_BRACKETS = re.compile(r"\([^()]*\)")
_WEEKDAY = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b")
_RELATIVE_DAY = re.compile(r"\b(?:yesterday|tomorrow)\b")
_DETAIL = re.compile(r"\s*[-+*\u2022>|]")


def contradiction(expert: str, candidate: str) -> str | None:
    """What of a candidate's text says the contrary of the expert's (both as written), or `None`."""
    for found in (_other_day, _substituted, _relabelled, _misplaced, _recounted, _redirected, _denied, _opposed):
        said = found(expert, candidate)
        if said is not None:
            return said
    return None


def _other_day(expert: str, candidate: str) -> str | None:
    """Another day of the week, or yesterday for tomorrow."""
    for days in (_WEEKDAY, _RELATIVE_DAY):
        ours, theirs = (set(days.findall(_folded(text))) for text in (expert, candidate))
        if ours and theirs and not ours & theirs:
            return f"it says '{min(theirs)}' where the expert's says '{min(ours)}'"
    return None


def _substituted(expert: str, candidate: str) -> str | None:
    ours, theirs = ([fact for fact in occurrences(text) if _hard(fact)] for text in (expert, candidate))
    if len(ours) != len(theirs):
        return None
    other = [(one, another) for one, another in zip(ours, theirs, strict=True) if not one.same(another)]
    return f"it says '{other[0][1].text}' where the expert's says '{other[0][0].text}'" if len(other) == 1 else None


def _hard(fact: Fact) -> bool:
    return not fact.soft and fact.kind != "name"


def _misplaced(expert: str, candidate: str) -> str | None:
    """Another date, time or amount beside the same id or name."""
    ours, theirs = _records(expert), _records(candidate)
    for (anchor, kind), values in ours.items():
        other = theirs.get((anchor, kind))
        if not other or max(len(values), len(other)) >= _MOST_BESIDE:
            continue
        if not any(one.same(another) for one in values for another in other):
            return f"beside '{anchor}' it says '{other[0].text}', the expert's '{values[0].text}'"
    return None


def _records(text: str) -> dict[tuple[str, str], list[Fact]]:
    """Dates, times and amounts by the ids and names of their clause; details in a list belong to the line above."""
    found: dict[tuple[str, str], list[Fact]] = {}
    anchors: list[str] = []
    if "respectively" in text:
        return found
    for part in _PART.split(text):
        said = facts(part)
        named = {fact.at: key for fact in said if fact.kind in ("id", "name") for key in fact.keys}
        strong = {at: key for at, key in named.items() if any(letter.isdigit() for letter in key)}
        named = strong or named  # a flight's number says more of what is meant than the places it goes by
        anchors = list(named.values()) or (anchors if _DETAIL.match(part) else [])
        if len(said) > _MOST_BESIDE:
            anchors = []
            continue
        for fact in said:
            if fact.kind in ("date", "time") or (fact.kind == "number" and fact.unit):
                for anchor in _bracketed(part, fact, named) or anchors:
                    values = found.setdefault((anchor, fact.kind), [])
                    if len(values) < _MOST_BESIDE:
                        values.append(fact)
    return found


def _bracketed(part: str, fact: Fact, named: dict[int, str]) -> list[str]:
    """What stands in brackets after an id or a name belongs to that one alone."""
    for span in _BRACKETS.finditer(part):
        if span.start() < fact.at < span.end():
            before = [at for at in named if at < span.start()]
            return [named[max(before)]] if before else []
    return []


def _folded(text: str) -> str:
    """Folded case, plain apostrophes, no emphasis marks, `not available` for `unavailable`."""
    return _UN.sub("not ", text.replace("\u2019", "'").replace("*", "").casefold())


def _relabelled(expert: str, candidate: str) -> str | None:
    ours, theirs = _labels(expert), _labels(candidate)
    for label, values in ours.items():
        other = theirs.get(label)
        if other and values and not _fit(values, other):
            return f"'{label}' is '{other[0].text}', the expert's is '{values[0].text}'"
    return None


def _fit(values: list[Fact], other: list[Fact]) -> bool:
    """Whether equally many values are the same in any order; of unequal numbers, or of very many, whether any is."""
    if len(values) != len(other) or len(values) > _MOST_VALUES:
        return any(one.same(another) for one in values for another in other)
    left = list(other)
    for one in values:
        partner = next((place for place, another in enumerate(left) if one.same(another)), None)
        if partner is None:
            return False
        del left[partner]
    return True


def _labels(text: str) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for line in LABELLED.finditer(text.replace("*", "")):
        found.setdefault(" ".join(line["label"].casefold().split()), []).extend(facts(line["value"]))
    return found


def _recounted(expert: str, candidate: str) -> str | None:
    """A number before a noun that the expert's text puts before another noun, or nowhere."""
    ours, theirs = counts(expert), counts(candidate)
    everywhere = set().union(*ours.values())
    for noun in ours.keys() & theirs.keys():
        if ours[noun] & theirs[noun]:
            continue
        swapped = any(
            theirs[noun] == ours[other] and theirs[other] == ours[noun] for other in ours.keys() & theirs.keys()
        )
        if swapped or not theirs[noun] <= everywhere:
            return f"it says {min(theirs[noun])} {noun}, the expert's {min(ours[noun])}"
    return None


def _redirected(expert: str, candidate: str) -> str | None:
    ours, theirs = (set(_WAY.findall(_folded(text))) for text in (expert, candidate))
    for start, end in ours:
        if (end, start) in theirs and (end, start) not in ours and (start, end) not in theirs:
            return f"it says '{end} to {start}' where the expert's says '{start} to {end}'"
    return None


def _denied(expert: str, candidate: str) -> str | None:
    """What one text denies and the other affirms without denying anything of it."""
    ours, theirs = _denials(expert), _denials(candidate)
    for said, other, what in (
        (theirs, ours, "denies what the expert's says"),
        (ours, theirs, "affirms what it denies"),
    ):
        for denial in said.denied:
            if denial & other.affirmed and not denial & other.negative:
                return f"it {what} of {', '.join(sorted(denial & other.affirmed))}"
    return None


class _Denials(NamedTuple):
    """The first content words after each negation, all words of clauses with one, and the words that are not denied."""

    denied: list[set[str]]
    negative: set[str]
    affirmed: set[str]


def _denials(text: str) -> _Denials:
    labels = [_stems(line["label"]) for line in _NO_LABEL.finditer(text.replace("*", ""))]
    denied, negative, affirmed = labels, set().union(*labels), set[str]()
    for clause in _CLAUSE.split(_NO_LABEL.sub("", _folded(text))):
        before, *after = _DENIES.split(clause)
        affirmed |= _stems(before)
        negative |= _stems(clause) if after else set()
        for part in after:
            words = [word for word in re.findall(r"[^\W\d_]{2,}", part) if word not in COMMON]
            denied.append({meaning(word) for word in words[:_REACH]})
            affirmed |= {meaning(word) for word in words[_REACH:]}
    return _Denials(denied, negative, affirmed)


def _stems(text: str) -> set[str]:
    return {meaning(word) for word in re.findall(r"[^\W\d_]{2,}", text.casefold()) if word not in COMMON}


def _opposed(expert: str, candidate: str) -> str | None:
    """A word where the other text has its opposite; denied words are compared with denied ones."""
    for ours, theirs in zip(_affirmed_and_denied(expert), _affirmed_and_denied(candidate), strict=True):
        for pair in _OPPOSITES:
            sides = [{stem(word) for word in side} for side in pair]
            for here, there in (sides, sides[::-1]):
                if ours & here and not ours & there and theirs & there and not theirs & here:
                    return f"it says '{sorted(theirs & there)[0]}' where the expert's says '{sorted(ours & here)[0]}'"
    return None


def _affirmed_and_denied(text: str) -> tuple[set[str], set[str]]:
    said = _WHILE.sub(" ", _folded(text))
    denied = {stem(match["word"]) for match in _DENIED.finditer(said)}
    return {stem(word) for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)?", _DENIED.sub(" ", said))}, denied
