"""What a text asks leave to do: "Shall I cancel ABC123?" is about cancelling.

Owns: the verbs of requests for leave, and whether two texts ask leave for different actions. Does not own: which acts
a text performs (`messages.acts`), or facts.
"""

from __future__ import annotations

import re

from pivotgym.verifiers.messages.names import word_set
from pivotgym.verifiers.messages.wording import content, meaning

_ASKS = re.compile(
    r"\b(?:(?:shall|should|may|can) (?:i|we)|(?:me|us) to|(?:like|want|wish) to)\s+"
    r"(?:(?:go ahead|proceed|continue) (?:and|to|with) )?(?:the )?([^\W\d_]+)"
)
_TO = re.compile(r"(?:^|[.!?\n]\s*)to ([^\W\d_]+) [^.!?\n]{0,400}?\b(?:please (?:confirm|reply)|confirm)\b")
_LIGHT = {
    meaning(word)
    for word in word_set(
        "apply assist begin complete continue do finalize get go have help issue know make move perform place proceed "
        "process start submit take use"
    )
}


def asked_leave(text: str) -> set[str]:
    """The verbs of what a folded text asks leave for, light ones ("make", "proceed") left out.

    >>> sorted(asked_leave("shall i go ahead and cancel the flight?"))
    ['cancel']
    """
    return {meaning(verb) for verb in _ASKS.findall(text) + _TO.findall(text)} - _LIGHT


def other_leave(expert: str, candidate: str) -> bool:
    """Whether both folded texts ask leave, for actions that neither text names of the other's."""
    ours, theirs = asked_leave(expert), asked_leave(candidate)
    if not ours or not theirs or ours & theirs:
        return False
    return not theirs <= content(expert) and not ours <= content(candidate)
