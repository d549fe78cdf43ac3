"""Message against message: a short rule, until a judge is asked.

Owns: which facts of the expert's text a candidate must repeat. Does not own: calls (`verifiers.tool_calls`).

Facts are numbers (so also dates, amounts and ids), words that mix letters and digits, and quoted names. In this order:
the expert's text is accepted; every fact of it must be in the candidate's, which must not say less than three words
where the expert's says more; a text that declines must be met by one that declines, a question by a question; facts
that stand neither in the expert's text nor in the conversation are invented, and reciting the conversation's facts
besides is refused, so that a policy is not paid for saying everything; where nothing else is left to compare, half of
the expert's content words must be there. This rule does not read sentences: a negation passes. Its verdicts say
`executed: false` and `method: message_facts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Verdict

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_ID = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])[\w#-]+\b")
_QUOTED = re.compile(r"\"([^\"\n]{1,80})\"|'([^'\n]{2,80})'(?!\w)|`([^`\n]{1,80})`")
_DECLINES = re.compile(
    r"\b(sorry|apologi[sz]e|unable|cannot|can't|couldn't|could not|(?:do|does)(?:n't| not) (?:have|cover|support)|"
    r"not able|not possible|none of (?:the|my)|no (?:suitable|available|matching) (?:tool|function)s?)\b"
)
_COMMON = re.compile(
    r"\b(?:an?|and|are|as|at|be|been|by|can|could|do|does|for|from|has|have|i|if|in|is|it|its|me|my|no|not|of|on|or|our|"
    r"so|that|the|their|them|there|this|to|was|we|were|will|with|would|you|your)\b"
)
_LEAST_WORDS = 3
_MORE_FACTS = 3


def facts(text: str) -> set[str]:
    """Numbers, ids and quoted names of a text, in one spelling each.

    >>> sorted(facts("Order #W12 costs 1,250.00 and goes to 'Ann Lee'."))
    ['1250', 'ann lee', 'w12']
    """
    found = {_plain_number(number) for number in _NUMBER.findall(_ID.sub(" ", text))}
    found |= {word.strip("#-_").casefold() for word in _ID.findall(text)}
    found |= {next(filter(None, groups)).strip().casefold() for groups in _QUOTED.findall(text)}
    return found


def _plain_number(number: str) -> str:
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    return re.sub(r"\.0+$", "", number) if number.count(".") == 1 else number


def message_rule(expert: str, candidate: str, conversation: Sequence[Message] = ()) -> Verdict:
    """The verdict on a text where the expert gave a text.

    Args:
        expert: The expert's text.
        candidate: The policy's.
        conversation: What was said and seen before, where facts may come from; without it none count as invented.
    """
    if " ".join(expert.split()).casefold() == " ".join(candidate.split()).casefold():
        return _verdict(True, 1.0, "the text is the expert's", [])
    due, given = facts(expert), facts(candidate)
    missing = sorted(due - given)
    share = 1.0 - len(missing) / len(due) if due else 1.0
    if missing:
        return _verdict(False, share, f"the text lacks what the expert's says: {', '.join(missing[:5])}", missing)
    if len(candidate.split()) < min(_LEAST_WORDS, len(expert.split())):
        return _verdict(False, 0.0, "the text says less than the expert's", [])
    why = _other_stance(expert, candidate) or _surplus(due, given, conversation)
    if why is None and not due and not _DECLINES.search(_plain(expert)) and _shared_words(expert, candidate) < 0.5:
        why = "the text has too little in common with the expert's"
    if why is not None:
        return _verdict(False, share, why, [])
    return _verdict(True, share, "the text has the facts of the expert's", [])


def _plain(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").split()).casefold()


def _other_stance(expert: str, candidate: str) -> str | None:
    one, other = (bool(_DECLINES.search(_plain(text))) for text in (expert, candidate))
    if one != other:
        return "the text declines, the expert's does not" if other else "the expert's text declines, this one does not"
    if expert.rstrip().endswith("?") and "?" not in candidate:
        return "the expert's text asks, this one does not"
    return None


def _surplus(due: set[str], given: set[str], conversation: Sequence[Message]) -> str | None:
    if not conversation:
        return None
    known = set().union(*(facts(message.text) for message in conversation))
    said = _plain(" ".join(message.text for message in conversation))
    invented = sorted(fact for fact in given - due - known if fact not in said)
    if invented:
        return f"the text says what was found nowhere before: {', '.join(invented[:5])}"
    if len(given - due) > max(_MORE_FACTS, len(due)):
        return f"the text recites {len(given - due)} facts besides the {len(due)} that were due"
    return None


def _shared_words(expert: str, candidate: str) -> float:
    due, given = (set(re.findall(r"[^\W\d_]{2,}", _COMMON.sub(" ", _plain(text)))) for text in (expert, candidate))
    return len(due & given) / len(due) if due else 1.0


def _verdict(equal: bool, share: float, reason: str, missing: list[str]) -> Verdict:
    return Verdict(
        reward=float(equal),
        outcome="equivalent" if equal else "different",
        method="message_facts",
        executed=False,
        components={"facts": share},
        reason=reason,
        evidence={"missing": missing[:20]} if missing else {},
    )
