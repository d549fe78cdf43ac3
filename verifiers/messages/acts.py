"""Speech acts of an English text, by its forms: what a reply *does*.

Owns: sentences, which of them are mere courtesy, and which acts the others perform. Does not own: which acts must agree
(`verifiers.message_rule`).

The acts: `question` (asks for information), `confirmation` (asks for a yes before going on), `refusal` (declines, or
says that something cannot be done), `transfer` (hands over to a person, or offers to), `statement` (all else).
Courtesy (thanks, apologies, offers of further help) performs none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Act = Literal["question", "confirmation", "refusal", "transfer", "statement"]

_SPLIT = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_COURTESY = re.compile(
    r"anything else|(?:feel|are) free to (?:ask|reach|contact|let)|(?:do not|don't) hesitate|you(?:'re|"
    r" are) (?:very )?welcome|"
    r"if you(?:'d| would)? (?:ever )?(?:have|need|want|require) (?:any )?(?:more|other|further|additional|else|help|"
    r"assistance|questions?)|how (?:can|may|could) i (?:help|assist)|what (?:can|may) i (?:do|help)|"
    r"(?:happy|glad|here|pleased) to (?:help|assist)|"
    r"^(?:\w+, )?i(?:'d| would| can| will|'ll)(?: be)?(?: (?:happy|glad) to)? (?:help|assist)\b(?!.*\b(?:but|not)\b)|"
    r"^(?:safe travels|have a |enjoy |take care|good ?bye|bye|thank you|thanks|many thanks|welcome)|"
    r"i(?: do| completely| fully)? understand (?:your|that you|how|the (?:importance|frustration))|"
    r"i(?: really)? appreciate|"
    r"apologi[sz]e for|sorry (?:for|about|to hear)|(?:please )?(?:hold on|bear with me)|one moment|"
    r"just a (?:moment|second)|"
    r"^if you (?!.*(?:proceed|go ahead|confirm)).*(?:please|just) let me know[.!]?$",
)
_FILLER = re.compile(
    r"^(?:sure|certainly|of course|absolutely|okay|ok|great|perfect|alright|got it|understood|hi|hello|hey)"
    r"(?: there)?(?:,? \w+)?[.!,]*$"
)
_CONFIRM = re.compile(
    r"(?:would|do) you (?:like|want|wish|prefer)(?: for)?(?:(?: me| us)? to| that| this| it)\b|(?:shall|should|"
    r"may|can) (?:i|"
    r"we) (?:go ahead|"
    r"proceed|continue|book|cancel|change|do|make|place|process|submit|apply|use|start|begin|send|update|modify|"
    r"transfer)|"
    r"\bshall i\b|(?:like|want|wish|ready|okay|ok|happy) (?:me )?to (?:proceed|go ahead|continue)|"
    r"\bconfirm(?:ation)?\b(?!.*\b(?:which|what|who|when|where)\b)(?! (?:me )?your (?!choice|decision|agreement|"
    r"approval|"
    r"consent|confirmation))|"
    r"is (?:that|this|it|everything|all of this) (?:all )?(?:correct|right|ok|okay|fine|acceptable)|"
    r"does (?:that|this|it|everything) (?:look|sound|seem|work)|are you (?:sure|ok|okay|fine)|do you (?:agree|"
    r"consent|"
    r"approve|accept)|(?:have|get|need) your (?:permission|approval|consent|agreement)|\(?yes/no\)?|(?:reply|say|"
    r"answer) "
    r"(?:with )?[\"']?yes|sounds? (?:good|right|okay)\?|(?:all right|alright|okay|right|correct)\?$"
)
_CONFIRMED = re.compile(
    r"\b(?:i|we)(?:'ve| have| can| am| will|'ll)? (?:now |already |also )?confirm(?:ed|ing)?\b|\bto confirm[:,]|"
    r"(?:is|are|was|been|be) (?:now |already )?confirmed|confirmation (?:email|number|code|id|is|was|has|will|"
    r"message)"
)
_OPEN = re.compile(r"\b(?:what|which|how|when|where|who)\b[^,:;]*$")
"""Before what could ask for a yes: "which one would you like to" asks for more than that."""
_DEMANDS = re.compile(
    r"[\d\"_]|please (?:also )?(?:provide|share|tell|specify|enter|give|send|choose|select|confirm)|"
    r"let me know (?:which|what|how|when|where|who)\b"
)
_ASKS = re.compile(
    r"\?|(?:please|kindly)(?: also| first)? (?:provide|share|tell|specify|enter|give|send|let me know|choose|select|"
    r"indicate|verify|describe|list|clarify|state|supply|type|pick|confirm|advise|attach|upload)|"
    r"^(?:provide|tell me|share|specify|choose|select|let me know)\b|\blet me know (?:which|what|how|who|when|"
    r"where|your|"
    r"the|whether)|\bi(?:'ll| will| would|'d)? (?:also |still |first |just )?(?:need|require|like) (?:to know|"
    r"to have|you to "
    r"(?:provide|share|tell|give)|(?:a |some )?(?:more|further|additional)|your|the (?:following|"
    r"(?:[\w'-]+ ){0,4}(?:id|"
    r"number|name|details|information|address|date|email)))"
)
_REFUSES = re.compile(
    r"\b(?:unable|cannot|can't|can not|couldn't|could not|won't be able|not able|(?:not|\w+n't) possible|impossible|"
    r"not (?:allowed|"
    r"permitted|eligible|authori[sz]ed)|ineligible|no longer (?:possible|able)|not something (?:i|we) can|"
    r"(?:not|\w{2,5}n't) \w{3,}able|non-?\w{3,}able)\b|"
    r"\b(?:do|does)(?:n't| not) (?:have (?:the (?:ability|capability|option|tools?)|access|a (?:tool|way)|"
    r"any (?:tool|way))|"
    r"cover|support|allow|permit|qualify|offer)\b|\bnone of (?:the|my) (?:\w+ )?(?:tools?|functions?|options)\b|"
    r"\bno (?:suitable|available|matching|"
    r"relevant|such) "
    r"(?:tool|function|option)s?\b|sorry,? (?:but|i\b|no\b)|\b(?:must|have to|need to) (?:decline|deny|refuse)|"
    r"\b(?:outside|beyond) (?:of )?(?:my|our|the) |\bthere (?:is|are) no (?:exceptions?|way|tools?|functions?)\b|"
    r"\bdeclin(?:e|ed|ing) (?:your|this|the) request"
)
_TRANSFERS = re.compile(
    r"\b(?:transfer\w*|connect\w*|escalat\w*|hand\w* (?:you|this|it)?\s*(?:over|off)|put\w* you through)\b.*"
    r"\b(?:human|agents?|representatives?|specialists?|supervisors?|person|colleagues?|staff|team|someone)\b|"
    r"\byou (?:are|have) been transferred\b|\byou are being transferred\b|\btransfer you\b"
)
_PURPOSE = re.compile(r"^(?:in order )?to (?!confirm)[^,]{3,120}, (?=(?:i|we|could|can|please|may|would|what|which)\b)")
_SO_THAT = re.compile(r",? (?:so (?:that )?(?:i|we)(?: can|'ll)|in order to) .*?(?=[.?!]*$)")


@dataclass(frozen=True)
class Sentence:
    """A sentence, folded for comparing and without what it is said for, and the acts it performs; none for courtesy."""

    text: str
    acts: frozenset[Act]


def plain(text: str) -> str:
    """Folded case, single spaces, plain apostrophes, no emphasis marks.

    >>> plain("I **can\u2019t**  do that")
    "i can't do that"
    """
    return " ".join(text.replace("\u2019", "'").replace("**", "").replace("`", "").split()).casefold()


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text with their acts, in order.

    >>> [sorted(sentence.acts) for sentence in sentences("It costs 80 USD. Shall I book it?")]
    [['statement'], ['confirmation']]
    """
    pieces = (plain(piece).strip(" -+#|>\u2022") for piece in _SPLIT.split(text))
    return [Sentence(_SO_THAT.sub("", _PURPOSE.sub("", piece)), _acts(piece)) for piece in pieces if piece]


def acts(text: str) -> frozenset[Act]:
    """All acts of a text."""
    return frozenset().union(*(sentence.acts for sentence in sentences(text)))


def _acts(sentence: str) -> frozenset[Act]:
    found: set[Act] = set()
    if _FILLER.match(sentence):
        return frozenset()
    leave = _CONFIRM.search(sentence)
    asks_leave = leave is not None and not (_CONFIRMED.search(sentence) or _OPEN.search(sentence[: leave.start()]))
    refuses = bool(_REFUSES.search(sentence)) and not sentence.endswith("?")
    transfers = bool(_TRANSFERS.search(sentence)) and not sentence.endswith("let me know.")
    if not (asks_leave or refuses or transfers or _DEMANDS.search(sentence)) and _COURTESY.search(sentence):
        return frozenset()
    if asks_leave and (
        sentence.endswith("?") or re.search(r"\b(?:please|let me know|reply|yes|need)\b|^confirm", sentence)
    ):
        found.add("confirmation")
    elif _ASKS.search(sentence):
        found.add("question")
    if refuses:
        found.add("refusal")
    if transfers:
        found.add("transfer")
    return frozenset(found or {"statement"})
