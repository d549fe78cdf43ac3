"""The words of a text: what it is about, what it denies, which opposites it says, what it assigns to what.

Owns: content words, contradictions between two texts. Does not own: facts and speech acts (the modules beside it).

Contradictions are read from forms, not from meaning: a clause that denies what a clause of nearly the same words
affirms; a word where the other text has its opposite; a number before the same noun, a value after the same label, or a
way between the same two places, that is another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pivotgym.verifiers.messages.facts import Fact, counts, facts
from pivotgym.verifiers.messages.names import LABELLED, word_set

_COMMON = word_set(
    "a about all also am an and any are as at be because been being but by can could did do does done for from "
    "further get "
    "had has have he her here him his how i if in into is it its just let like ll make may me more most my need "
    "no nor not "
    "use used using now of on one only or other our out own please re s shall she should so some such t than "
    "that the their them then "
    "there these they this those through to too under until up us ve very want was we were what when where which "
    "while who "
    "will wish with would yes you your yours following below above each per via d m"
)
_TALK = word_set(
    "know provide share tell specify confirm proceed ahead go continue help assist assistance detail information "
    "sorry "
    "unfortunately however understand thank request able unable available tool function cover access allow possible "
    "question call none give enter choose select okay sure certainly course"
)
_ID_OF = re.compile(r"\b([^\W\d_]{2,}) (?:ids?|numbers?|codes?|no\.)(?!\w)")
_DENIES = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|unable|un(?:available|successful)|fail(?:s|ed)?|lacks?|"
    r"\w+n't)\b|\bnon-"
)
_CLAUSE = re.compile(r"[.;:!?\n,()]+\s|\s[-\u2013\u2014]\s|\b(?:but|however|although|because|so that|while|and)\b")
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
        "before / after",
        "cheapest|lowest / highest",
        "earliest / latest",
        "succeed|successful|successfully|complete / fail|unsuccessful|incomplete",
        "available / unavailable",
        "eligible / ineligible",
        "refundable / nonrefundable|non-refundable",
        "depart|departure / arrive|arrival",
        "buy / sell",
        "return / exchange",
    )
]
_WAY = re.compile(r"(\w+)\)?\s*(?:\bto\b|\u2192|->|\u2013)\s*(?:[a-z]+ )?\(?(\w+)")


def stem(word: str) -> str:
    """A word without the commonest English endings.

    >>> stem("cancelled"), stem("cancelling"), stem("cancel"), stem("policies"), stem("booked")
    ('cancel', 'cancel', 'cancel', 'policy', 'book')
    """
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("ation", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "s":
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


_TALK_STEMS = {stem(word) for word in _TALK}
_SYNONYMS = {
    stem(word): stem(group.split()[0])
    for group in (
        "change modify update alter edit switch",
        "booking book reservation reserve",
        "buy purchase",
        "item product",
        "cost price fee fare",
        "add include",
        "remove delete",
        "refund reimburse reimbursement",
        "ticket flight",
        "show list display",
        "find locate look",
        "send ship dispatch",
    )
    for word in group.split()
}


def content(text: str) -> set[str]:
    """Stems of the words a folded text is about, synonyms as one; the id of a thing is one word, ending in `#`.

    >>> sorted(content("could you please provide your user id and the booking number?"))
    ['book#', 'user#']
    """
    named = re.sub(r"[^\W\d_]{2,}", lambda word: _meaning(word.group()), _ID_OF.sub(r"\1# ", text.replace("'", " ")))
    words = re.findall(r"[^\W\d_]{2,}#?", named)
    return {word for word in words if word not in _COMMON} - _TALK_STEMS


def _meaning(word: str) -> str:
    """The stem of a word, or of the word that stands for it and its synonyms."""
    return word if word in _COMMON else _SYNONYMS.get(stem(word), stem(word))


def share(due: set[str], given: set[str]) -> float:
    """Which part of `due` is among `given`; 1.0 where nothing is due."""
    return len(due & given) / len(due) if due else 1.0


def contradiction(expert: str, candidate: str) -> str | None:
    """What of a candidate's text says the contrary of the expert's (both as written), or `None`."""
    for found in (_relabelled, _recounted, _redirected, _denied, _opposed):
        said = found(expert, candidate)
        if said is not None:
            return said
    return None


def _folded(text: str) -> str:
    return text.replace("\u2019", "'").replace("*", "").casefold()


def _denied(expert: str, candidate: str) -> str | None:
    theirs = list(_clauses(candidate))
    ours = list(_clauses(expert))
    for words, denied, text in ours:
        best = max(theirs, key=lambda clause: _likeness(words, clause[0]), default=None)
        if best is None or _likeness(words, best[0]) < 0.6 or best[1] == denied:
            continue
        if not any(_likeness(best[0], other) >= 0.6 and sign == best[1] for other, sign, _ in ours):
            return (
                f"'{best[2].strip()[:80]}' denies '{text.strip()[:80]}'"
                if best[1]
                else f"it affirms '{text.strip()[:80]}'"
            )
    return None


def _clauses(text: str) -> Iterator[tuple[set[str], bool, str]]:
    for clause in _CLAUSE.split(_folded(text)):
        denials = len(_DENIES.findall(clause))
        words = {stem(word) for word in re.findall(r"\w{2,}", _DENIES.sub(" ", clause)) if word not in _COMMON}
        if len(words) >= 2 or (words and denials):
            yield words, denials % 2 == 1, clause


def _likeness(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))


def _opposed(expert: str, candidate: str) -> str | None:
    ours, theirs = (
        {stem(word) for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)?", _folded(text))} for text in (expert, candidate)
    )
    for pair in _OPPOSITES:
        sides = [{stem(word) for word in side} for side in pair]
        for here, there in (sides, sides[::-1]):
            if ours & here and not ours & there and theirs & there and not theirs & here:
                return f"it says '{sorted(theirs & there)[0]}' where the expert's says '{sorted(ours & here)[0]}'"
    return None


def _relabelled(expert: str, candidate: str) -> str | None:
    ours, theirs = _labels(expert), _labels(candidate)
    for label, values in ours.items():
        other = theirs.get(label)
        if other and values and not any(one.same(another) for one in values for another in other):
            return f"'{label}' is '{other[0].text}', the expert's is '{values[0].text}'"
    return None


def _labels(text: str) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for match in LABELLED.finditer(text.replace("*", "")):
        found.setdefault(" ".join(match["label"].casefold().split()), []).extend(facts(match["value"]))
    return found


def _recounted(expert: str, candidate: str) -> str | None:
    ours, theirs = counts(expert), counts(candidate)
    for noun, values in ours.items():
        other = theirs.get(noun)
        if other and not other & values:
            return f"it says {sorted(other)[0]} {noun}, the expert's {sorted(values)[0]}"
    return None


def _redirected(expert: str, candidate: str) -> str | None:
    ours, theirs = (set(_WAY.findall(_folded(text))) for text in (expert, candidate))
    for start, end in ours:
        if (end, start) in theirs and (end, start) not in ours and (start, end) not in theirs:
            return f"it says '{end} to {start}' where the expert's says '{start} to {end}'"
    return None
