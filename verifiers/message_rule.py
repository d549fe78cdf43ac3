"""Message against message, by rule: the same facts and the same speech acts as the expert's text.

Owns: which facts are due, which acts must agree, and the verdict. Does not own: reading a text (`verifiers.messages`),
calls (`verifiers.tool_calls`), or asking a judge (`verifiers.judge`).

In this order:

1. The expert's own text, but for case and white space, is accepted.
2. *Facts*: every date, time, amount, number, id, quoted word and name of the expert's text must be in the candidate's.
3. *Contradictions*: no clause may deny what the expert's affirms, give another value to the same label, another number
   of the same things, or the way back for the way there.
4. *Invention*: what stands neither in the expert's text nor anywhere in the conversation is invented.
5. *Recitation*: many more facts than were due, or long passages copied from the conversation.
6. *Speech acts*: a question is met by a question, a request for confirmation by one, a refusal by a refusal, a transfer
   by a transfer, and none of them may be added.
7. *Wording*: a question must be about the same, leave be asked for the same action; where no fact is left to compare,
   enough of the expert's content words must be there.

The rule reads forms, in English; what is wrong in meaning alone passes it. Rulings of 1 to 5 are *certain*; the others
are what a judge, where one is configured, decides instead. Verdicts say `executed: false`, `method: message_facts`, and
have the components `facts` (share of the due facts that are there), `speech_act` (1.0 where the acts agree) and
`invented` (share of the candidate's facts that were found nowhere; 0.0 is best).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Verdict
from pivotgym.verifiers.messages.acts import Act, Sentence, plain, sentences
from pivotgym.verifiers.messages.contradictions import contradiction
from pivotgym.verifiers.messages.facts import Fact, facts
from pivotgym.verifiers.messages.leave import other_leave
from pivotgym.verifiers.messages.wording import content, share

_MORE_FACTS = 3
_LEAST_WORDS = 2
_COPIED_RUN = 8
_COPIED_WORDS = 30
_ASKED, _REFUSED, _STATED = 0.5, 0.4, 0.4
"""Least share of content words, where no fact decides."""
_ASKED_WITH_FACTS = 0.3
_MORE_TEXT = 4000
"""Characters that a candidate's text may have beyond ten times the expert's."""
_KEPT_CHARACTERS = 16_000
_WITH_CODE = re.compile(r"(?<![^\W\d_])((?:[^\W\d_][\w'-]*[ \t]+){1,6})\([A-Z]{2,5}\)")


@dataclass(frozen=True)
class Ruling:
    """What the rule says, and whether a judge could say otherwise.

    Attributes:
        verdict: The verdict.
        certain: Whether it stands even where a judge is configured.
    """

    verdict: Verdict
    certain: bool


class _Text:
    """A text as the rule reads it, each part when it is first needed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = plain(text)

    @cached_property
    def facts(self) -> list[Fact]:
        return facts(self.text)

    @cached_property
    def sentences(self) -> list[Sentence]:
        return sentences(self.text)

    @cached_property
    def lower(self) -> set[str]:
        return set(re.findall(r"\b[a-z]{2,}\b", self.text))

    @cached_property
    def words(self) -> set[str]:
        return set(re.findall(r"\w+", self.plain))

    @cached_property
    def acts(self) -> frozenset[Act]:
        return frozenset().union(*(sentence.acts for sentence in self.sentences))

    def about(self, *wanted: Act) -> set[str]:
        """Content words of the sentences that perform one of these acts; of all that perform any, without arguments."""
        chosen = (one for one in self.sentences if (one.acts & set(wanted) if wanted else one.acts))
        return set().union(*(content(sentence.text) for sentence in chosen))

    def says(self, fact: Fact) -> bool:
        """Whether the text has a fact, in whatever spelling."""
        if any(fact.same(own) for own in self.facts):
            return True
        if fact.kind in ("name", "quote", "id"):
            return all(word in self.words for key in fact.keys for word in re.findall(r"\w+", key))
        return False


def message_rule(expert: str, candidate: str, conversation: Sequence[Message] = ()) -> Verdict:
    """The verdict on a text where the expert gave a text.

    Args:
        expert: The expert's text.
        candidate: The policy's.
        conversation: What was said and seen before, where facts may come from; without it none count as invented.
    """
    return ruling(expert, candidate, conversation).verdict


def ruling(expert: str, candidate: str, conversation: Sequence[Message] = ()) -> Ruling:
    """As `message_rule`, with how sure the rule is."""
    if " ".join(expert.split()).casefold() == " ".join(candidate.split()).casefold():
        return Ruling(_verdict(True, 1.0, 1.0, 0.0, "the text is the expert's"), True)
    if not candidate.strip():
        return Ruling(_verdict(False, 0.0, 0.0, 0.0, "the text is empty"), True)
    if len(candidate) > 10 * len(expert) + _MORE_TEXT:
        return Ruling(_verdict(False, 0.0, 0.0, 0.0, "the text is more than ten times as long as the expert's"), True)
    ours, theirs = _Text(expert), _Text(candidate)
    due = _due(ours, conversation)
    missing = [fact.text for fact in due if not theirs.says(fact)]
    invented = _invented(ours, theirs, conversation)
    kept = 1.0 - len(missing) / len(due) if due else 1.0
    act = _other_act(ours, theirs)

    def ruled(reason: str, certain: bool, found: list[str] | None = None, equal: bool = False) -> Ruling:
        of_theirs = len(invented) / len(theirs.facts) if theirs.facts else 0.0
        return Ruling(_verdict(equal, kept, float(act is None), of_theirs, reason, found), certain)

    if missing:
        return ruled(f"the text lacks what the expert's says: {', '.join(missing[:5])}", True, missing)
    contrary = contradiction(expert, candidate)
    if contrary is not None:
        return ruled(f"the text contradicts the expert's: {contrary}", True)
    if invented:
        return ruled(f"the text says what was found nowhere before: {', '.join(invented[:5])}", True, invented)
    recited = _recited(due, ours, theirs, conversation)
    if recited is not None:
        return ruled(recited, True)
    leave = "the text asks leave for something else" if other_leave(ours.plain, theirs.plain) else None
    other = act or leave or _other_question(ours, theirs, bool(due)) or (None if due else _other_wording(ours, theirs))
    if other is not None:
        return ruled(other, False)
    return ruled("the text has the facts and the speech acts of the expert's", False, equal=True)


def _due(expert: _Text, conversation: Sequence[Message]) -> list[Fact]:
    """The expert's facts without those it says twice: a part of a longer name, the name of a code given beside it.

    Of names, the words that are used in lower case too are ordinary ones: of "Gift Card" only "Gift" is due.
    """
    ordinary = expert.lower.union(*(_heard(message.text).lower for message in conversation))
    hard = [_proper(fact, ordinary) for fact in expert.facts if not fact.soft]
    names = [set(fact.text.casefold().split()) for fact in hard if fact.kind == "name"]
    spelled_out = _spelled_out(expert.text)
    return [
        fact
        for fact in hard
        if fact.kind != "name"
        or (plain(fact.text) not in spelled_out and not any(set(fact.text.casefold().split()) < name for name in names))
    ]


def _proper(fact: Fact, ordinary: set[str]) -> Fact:
    """A name without its ordinary words, but for the first where all are ordinary; other facts as they are."""
    if fact.kind != "name":
        return fact
    words = fact.text.split()
    kept = " ".join([word for word in words if word.casefold() not in ordinary] or words[:1])
    return replace(fact, text=kept, keys=frozenset({kept.casefold()}))


def _spelled_out(text: str) -> set[str]:
    """`gatwick airport` and `airport` of `Gatwick Airport (LGW)`."""
    runs = (match[1].split() for match in _WITH_CODE.finditer(text))
    return {" ".join(run[start:]).casefold() for run in runs for start in range(len(run))}


def _invented(expert: _Text, candidate: _Text, conversation: Sequence[Message]) -> list[str]:
    """Facts of the candidate's text with no source. Numbers in words and single names have too many honest ones."""
    if not conversation:
        return []
    checked = [
        fact
        for fact in candidate.facts
        if not fact.soft
        and fact.kind != "quote"
        and (fact.kind != "name" or " " in fact.text)
        and not expert.says(fact)
    ]
    if not checked:
        return []
    left = checked
    for message in reversed(conversation):
        said = _heard(message.text + "".join(f"\n{call.arguments_text}" for call in message.tool_calls or ()))
        left = [fact for fact in left if not _stands_in(fact, said)]
        if not left:
            break
    return [fact.text for fact in left]


def _stands_in(fact: Fact, said: _Text) -> bool:
    """Whether a message has a fact; of a name, one word is enough."""
    if fact.kind == "name":
        return bool(said.words & set(fact.text.casefold().split()))
    return said.says(fact)


def _heard(text: str) -> _Text:
    """A message of the conversation; what was read is some fifty times as large as the text, so long ones go again."""
    return _kept(text) if len(text) <= _KEPT_CHARACTERS else _Text(text)


@lru_cache(maxsize=64)
def _kept(text: str) -> _Text:
    """A message that is kept because a group of actions and the turns that follow share it."""
    return _Text(text)


def _recited(due: list[Fact], expert: _Text, candidate: _Text, conversation: Sequence[Message]) -> str | None:
    if not conversation:
        return None
    besides = [fact for fact in candidate.facts if not fact.soft and fact.kind != "name" and not expert.says(fact)]
    if len(besides) > max(_MORE_FACTS, len(due)):
        return f"the text recites {len(besides)} facts besides the {len(due)} that were due"
    copied = _copied(expert, candidate, conversation)
    if copied > max(_COPIED_WORDS, len(expert.plain.split())):
        return f"the text repeats {copied} words of the conversation that the expert's does not"
    return None


def _copied(expert: _Text, candidate: _Text, conversation: Sequence[Message]) -> int:
    """How many words of the candidate stand in runs that the conversation has and the expert's text has not."""
    said = candidate.plain.split()
    if len(said) <= _COPIED_WORDS:
        return 0
    known = {run for message in conversation for run in _runs(plain(message.text).split())}
    known -= set(_runs(expert.plain.split()))
    copied: set[int] = set()
    for start, run in enumerate(_runs(said)):
        if run in known:
            copied.update(range(start, start + _COPIED_RUN))
    return len(copied)


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + _COPIED_RUN]) for start in range(len(words) - _COPIED_RUN + 1)]


def _other_act(expert: _Text, candidate: _Text) -> str | None:
    due, given = expert.acts, candidate.acts
    for act, does in (
        ("refusal", "declines"),
        ("transfer", "hands over to a person"),
        ("confirmation", "asks to confirm"),
    ):
        if (act in due) != (act in given):
            return (
                f"the text {does}, the expert's does not"
                if act in given
                else f"the expert's text {does}, this one does not"
            )
    asked, asks = ({"question", "confirmation"} & acts for acts in (due, given))
    if bool(asked) != bool(asks):
        return "the text asks, the expert's does not" if asks else "the expert's text asks, this one does not"
    if "statement" in due and due == {"statement"} and not given:
        return "the expert's text states something, this one is mere courtesy"
    return None


def _other_question(expert: _Text, candidate: _Text, has_facts: bool) -> str | None:
    """Whether the questions are about the same; facts that both have say much of what they are about."""
    least = _ASKED_WITH_FACTS if has_facts else _ASKED
    asking_acts: tuple[Act, ...] = ("question",) if has_facts else ("question", "confirmation")
    for asking in asking_acts:
        asked, asks = expert.about(asking), candidate.about(asking)
        other_ids = _ids(asks) - _ids(asked) if has_facts else _ids(asks) ^ _ids(asked)
        if other_ids or share(asked, candidate.about()) < least or share(asks, expert.about()) < least:
            return "the text asks for something else than the expert's"
    return None


def _other_wording(expert: _Text, candidate: _Text) -> str | None:
    """Where no fact is due: whether the texts are about the same."""
    if not expert.acts:
        polite = not candidate.acts and len(candidate.words) >= min(_LEAST_WORDS, len(expert.words))
        return None if polite else "the expert's text is mere courtesy, this one is not"
    if not candidate.acts and len(candidate.words) < min(_LEAST_WORDS + 1, len(expert.words)):
        return "the text says less than the expert's"
    refused = expert.about("refusal")
    if refused:
        back = share(candidate.about("refusal"), expert.about()) if len(refused) > 1 else 1.0
        return "the text declines something else" if min(share(refused, candidate.about()), back) < _REFUSED else None
    if "statement" in expert.acts and share(expert.about("statement"), candidate.about()) < _STATED:
        return "the text has too little in common with the expert's"
    return None


def _ids(words: set[str]) -> set[str]:
    return {word for word in words if word.endswith("#")}


def _verdict(
    equal: bool, kept: float, act: float, invented: float, reason: str, evidence: list[str] | None = None
) -> Verdict:
    return Verdict(
        reward=float(equal),
        outcome="equivalent" if equal else "different",
        method="message_facts",
        executed=False,
        components={"facts": kept, "speech_act": act, "invented": invented},
        reason=reason,
        evidence={"facts": evidence[:20]} if evidence else {},
    )
