"""What a mutation is: a rule that changes an expert's action, with its ground truth by construction.

Owns: the shape, and how calls and arguments are replaced. Does not own: the rules (the modules beside this one), or
asking verifiers (`search`).

No verifier has a say in what is harmful. A harmful mutation changes something that the action's meaning hangs on; a
harmless one rewrites it in a way that its language says is the same. Each rule states why, and where it can be wrong:
a changed number that does not matter in this very state (`head -n 9` of a file of three lines) is a coincidence, not a
fault of the verifier that runs it and sees no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot

Make = Callable[[Pivot], Iterator[Action]]
"""All the actions that a mutation makes of a pivot's expert action, in a fixed order; none where it does not apply."""


@dataclass(frozen=True)
class Mutation:
    """A rule that changes an action.

    Attributes:
        name: Unique among the mutations.
        harmful: Whether the changed action does something else; otherwise it does the same.
        why: Why that is so by construction, and where it can be wrong.
        make: The actions it makes.
    """

    name: str
    harmful: bool
    why: str
    make: Make

    def actions(self, pivot: Pivot) -> list[Action]:
        """What it makes of a pivot's expert action, each once and none equal to it."""
        found: list[Action] = []
        for action in self.make(pivot):
            if action != pivot.reference and action not in found:
                found.append(action)
        return found


def arguments_of(pivot: Pivot) -> Iterator[tuple[int, dict[str, Any]]]:
    """Place and arguments of the expert's calls that have an object as arguments."""
    for place, call in enumerate(pivot.reference.tool_calls):
        if isinstance(call.arguments, dict):
            yield place, call.arguments


def with_arguments(action: Action, place: int, arguments: Mapping[str, Any], *, name: str | None = None) -> Action:
    """An action with other arguments, or another name, in one of its calls."""
    calls = list(action.tool_calls)
    changed = {"arguments": dict(arguments)} | ({"name": name} if name is not None else {})
    calls[place] = calls[place].model_copy(update=changed)
    return action.model_copy(update={"tool_calls": tuple(calls)})


def with_argument(action: Action, place: int, name: str, value: Any) -> Action:
    """An action with another value of one argument."""
    arguments = action.tool_calls[place].arguments
    assert isinstance(arguments, dict)
    return with_arguments(action, place, {**arguments, name: value})


def letters_changed(text: str) -> Iterator[str]:
    """A text with the last letter of a word of four letters or more turned into the next of the alphabet."""
    for place in range(3, len(text)):
        word = text[place - 3 : place + 1]
        last = place + 1 == len(text) or not (text[place + 1].isalnum() or text[place + 1] == "_")
        if last and word.isascii() and word.isalpha():
            yield text[:place] + _next(text[place]) + text[place + 1 :]


def _next(letter: str) -> str:
    return {"z": "a", "Z": "A"}.get(letter) or chr(ord(letter) + 1)
