"""Message against message: a short rule, until a judge is asked.

Owns: which facts of the expert's text a candidate must repeat. Does not own: calls (`verifiers.tool_calls`).

Facts are numbers (so also dates, amounts and ids), words that mix letters and digits, and quoted names. A text with
the same facts is accepted; where the expert's text has none, any text of three words or more is. This rule does not
read sentences: a negation passes. Its verdicts say `executed: false` and `method: message_facts`.
"""

from __future__ import annotations

import re

from pivotgym.core.trajectory import Verdict

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_ID = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])[\w#-]+\b")
_QUOTED = re.compile(r"\"([^\"\n]{1,80})\"|'([^'\n]{2,80})'(?!\w)|`([^`\n]{1,80})`")
_LEAST_WORDS = 3


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


def message_rule(expert: str, candidate: str) -> Verdict:
    """The verdict on a text where the expert gave a text."""
    if " ".join(expert.split()).casefold() == " ".join(candidate.split()).casefold():
        return _verdict(True, 1.0, "the text is the expert's", [])
    due, given = facts(expert), facts(candidate)
    missing = sorted(due - given)
    share = 1.0 - len(missing) / len(due) if due else 1.0
    if missing:
        return _verdict(False, share, f"the text lacks what the expert's says: {', '.join(missing[:5])}", missing)
    if len(candidate.split()) < min(_LEAST_WORDS, len(expert.split())):
        return _verdict(False, 0.0, "the text says less than the expert's", [])
    return _verdict(True, share, "the text has the facts of the expert's", [])


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
