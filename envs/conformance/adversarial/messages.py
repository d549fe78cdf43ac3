"""Mutations of messages to the user.

Owns: the rules, in English. Does not own: what makes two messages the same (`verifiers.message_rule`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.conformance.adversarial.mutation import Make, Mutation

_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b")


def message_mutations() -> Iterator[Mutation]:
    """All of them."""
    for name, harmful, why, change in _TEXTS:
        yield Mutation(f"message.{name}", harmful, why, _on_text(change))
    yield Mutation("message.name", True, "A name that the conversation has is another, inside a sentence.", _name)
    yield Mutation("message.tool", True, "A tool is called where the expert spoke.", _called)


def _on_text(change: Callable[[str], Iterator[str]]) -> Make:
    return partial(_make, change)


def _make(change: Callable[[str], Iterator[str]], pivot: Pivot) -> Iterator[Action]:
    if not pivot.reference.tool_calls and not pivot.reference.content.lstrip().startswith("{"):
        for text in change(pivot.reference.content):
            yield Action(content=text)


def _called(pivot: Pivot) -> Iterator[Action]:
    if not pivot.reference.tool_calls:
        for tool in pivot.tools:
            yield Action.model_validate({"tool_calls": [{"name": tool.name, "arguments": {}}]})


def _number(text: str) -> Iterator[str]:
    # The number of a list's item says nothing: `1. First`.
    for match in re.finditer(r"(?<![\w.#-])\d+(?![\w)-]|\.\s)", text):
        yield f"{text[: match.start()]}{int(match[0]) + 1}{text[match.end() :]}"


def _id(text: str) -> Iterator[str]:
    for match in re.finditer(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{5,}\b", text):
        last = "7" if match[0][-1] != "7" else "8"
        yield f"{text[: match.end() - 1]}{last}{text[match.end() :]}"


def _name(pivot: Pivot) -> Iterator[Action]:
    said = pivot.reference.content
    if pivot.reference.tool_calls:
        return
    heard = {word for message in pivot.messages if message.role != "system" for word in _NAME.findall(message.text)}
    for match in _NAME.finditer(said):
        # A word before a colon is a label.
        if match[0] in heard and not re.match(r"[ *]*(?:\w+[ *]*)?:", said[match.end() :]):
            yield Action(content=f"{said[: match.start()]}Zanzibar{said[match.end() :]}")


def _only(said: str, text: str) -> Iterator[str]:
    if text.strip():
        yield said


def _added(said: str, text: str) -> Iterator[str]:
    yield f"{text} {said}"


def _preceded(text: str) -> Iterator[str]:
    yield f"Certainly. {text}"


def _spaced(text: str) -> Iterator[str]:
    yield re.sub(r"\n", "\n\n", text) + "\n"


def _bold(text: str) -> Iterator[str]:
    for match in re.finditer(r"\b[A-Za-z]{5,}\b", text):
        yield f"{text[: match.start()]}**{match[0]}**{text[match.end() :]}"


_TEXTS: tuple[tuple[str, bool, str, Callable[[str], Iterator[str]]], ...] = (
    ("number", True, "A number is greater by one.", _number),
    ("id", True, "The last character of an id is another.", _id),
    ("nothing", True, "Only `Okay.`", partial(_only, "Okay.")),
    ("handed_over", True, "A transfer to a person instead.", partial(_only, "I am transferring you to a human agent.")),
    (
        "invented",
        True,
        "A refund is told that is nowhere spoken of.",
        partial(_added, "You will get a refund of $4,321."),
    ),
    ("preceded", False, "A word of politeness before it.", _preceded),
    ("spaced", False, "More empty lines.", _spaced),
    ("bold", False, "A word in bold.", _bold),
)
