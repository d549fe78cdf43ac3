"""The words of a text: what it is about.

Owns: content words, their stems and synonyms. Does not own: facts, speech acts and contradictions (the modules beside
this one).
"""

from __future__ import annotations

import re

from pivotgym.verifiers.messages.names import word_set

COMMON = word_set(
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


def stem(word: str) -> str:
    """A word without the commonest English endings.

    >>> stem("cancelled"), stem("cancelling"), stem("cancel"), stem("policies"), stem("denied"), stem("booked")
    ('cancel', 'cancel', 'cancel', 'policy', 'deny', 'book')
    """
    if word.endswith(("ies", "ied")) and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("ation", "able", "ing", "ed", "es", "s"):
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
    named = re.sub(r"[^\W\d_]{2,}", lambda word: meaning(word.group()), _ID_OF.sub(r"\1# ", text.replace("'", " ")))
    words = re.findall(r"[^\W\d_]{2,}#?", named)
    return {word for word in words if word not in COMMON} - _TALK_STEMS


def meaning(word: str) -> str:
    """The stem of a word, or of the word that stands for it and its synonyms."""
    return word if word in COMMON else _SYNONYMS.get(stem(word), stem(word))


def share(due: set[str], given: set[str]) -> float:
    """Which part of `due` is among `given`; 1.0 where nothing is due."""
    return len(due & given) / len(due) if due else 1.0
