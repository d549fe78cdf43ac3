"""A user by script: states the request, answers questions from what it knows, confirms, and stops.

Owns: what a scripted user says next. Does not own: what speech acts a message performs (`verifiers.messages`).

What it knows is the task's instruction and the arguments of the gold actions. It works from the conversation alone:

- it opens with the whole request, in the first person;
- a question is answered with the sentences of the instruction and the gold arguments that share its words, else by
  saying that it has no such information;
- a request for confirmation gets a yes; the offer of a transfer a yes only where the gold actions transfer;
- anything else gets what of the request was not said yet, then the end;
- what was said twice is not said again: the conversation ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pivotgym.core.messages import Action, Message
from pivotgym.verifiers.messages.acts import plain, sentences
from pivotgym.verifiers.messages.wording import content

YES = "Yes, please go ahead."
NO_TRANSFER = "No, I don't want to be transferred. Please help me with my request."
NOT_KNOWN = "I'm sorry, I don't have any more information about that."
MOST_REPEATS = 2
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_SUBJECT = re.compile(r"(^|[.!?,;:]\s+|\b(?:and|but|if|that|because|since|when|while|as|or|what|so)\s+)you\b", re.I)
_FIRST_PERSON = [
    (re.compile(r"\byou are\b", re.I), "I am"),
    (re.compile(r"\byou're\b", re.I), "I'm"),
    (re.compile(r"\byou've\b", re.I), "I've"),
    (re.compile(r"\byou'd\b", re.I), "I'd"),
    (_SUBJECT, r"\1I"),
    (
        re.compile(
            r"\byou (?=(?:also|only|do|don't|did|have|want|would|will|can|could|should|need|like|prefer|think|know)\b)"
        ),
        "I ",
    ),
    (re.compile(r"\byourself\b", re.I), "myself"),
    (re.compile(r"\byours\b", re.I), "mine"),
    (re.compile(r"\bYour\b"), "My"),
    (re.compile(r"\byour\b"), "my"),
    (re.compile(r"\byou\b", re.I), "me"),
]


class ScriptedUser:
    """An `envs.base.users.User` of one task. Equal conversations get equal replies.

    Args:
        instruction: What the user wants and knows, told in the second person ("You are ...").
        gold: The task's gold actions, from whose arguments questions are answered too.
    """

    def __init__(self, instruction: str, gold: Iterable[Action] = ()) -> None:
        told = [part for part in _SENTENCE.split(" ".join(instruction.split())) if part]
        self._request = [first_person(part) for part in told]
        self._as_told = [plain(part) for part in told]
        calls = [call for action in gold for call in action.tool_calls]
        self._transfers = any("transfer" in call.name for call in calls)
        self._known = dict.fromkeys(known for call in calls for known in _values(call.arguments))

    def reply(self, conversation: Sequence[Message]) -> str | None:
        """See `User.reply`."""
        spoken = [message.text for message in conversation if message.role == "user"]
        if not spoken:
            return " ".join(self._request)
        said = self._next(conversation[-1].text, spoken)
        return None if said is None or spoken.count(said) >= MOST_REPEATS else said

    def _next(self, heard: str, spoken: list[str]) -> str | None:
        parts = sentences(heard)
        acts = frozenset().union(*(part.acts for part in parts))
        if "confirmation" in acts:
            return NO_TRANSFER if "transfer" in acts and not self._transfers else YES
        if "question" in acts:
            asked = set().union(*(content(part.text) for part in parts if "question" in part.acts))
            return self._answer(asked) or self._unsaid(spoken) or NOT_KNOWN
        return None if "transfer" in acts else self._unsaid(spoken)

    def _answer(self, asked: set[str]) -> str:
        """What the user knows of what is asked."""
        told = [part for part in self._request if content(plain(part)) & asked]
        all_said = plain(" ".join(told))
        known = [
            f"The {name} is {value}."
            for name, value in self._known
            if _asked_for(name, asked) and plain(value) not in all_said
        ]
        return " ".join([*told, *known])

    def _unsaid(self, spoken: list[str]) -> str | None:
        """The sentences of the request that were not said yet, in the first person or as the instruction has them."""
        said = plain(" ".join(spoken))
        parts = zip(self._request, self._as_told, strict=True)
        return " ".join(part for part, told in parts if plain(part) not in said and told not in said) or None


def first_person(text: str) -> str:
    """An instruction as the user would say it.

    >>> first_person("You are ann_1 and your email is a@b.c. If the agent asks you, you want two.")
    'I am ann_1 and my email is a@b.c. If the agent asks me, I want two.'
    """
    for pattern, said in _FIRST_PERSON:
        text = pattern.sub(said, text)
    return text


def _asked_for(name: str, asked: set[str]) -> bool:
    """Whether a question is about an argument: shares a word with it, and all words of an argument within another."""
    words = content(plain(name))
    return bool(words) and (words <= asked if " of the " in name else bool(words & asked))


def _values(arguments: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The single values of a call's arguments, with the name of the field they stand in.

    >>> list(_values({"user_id": "a_1", "passengers": [{"name": "Ann"}]}))
    [('user id', 'a_1'), ('name of the passengers', 'Ann')]
    """
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            own = str(key).replace("_", " ")
            yield from _values(value, f"{own} of the {name}" if name else own)
    elif isinstance(arguments, list):
        for value in arguments:
            yield from _values(value, name)
    elif isinstance(arguments, str | int | float) and not isinstance(arguments, bool) and name:
        yield name, str(arguments)
