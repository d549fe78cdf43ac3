"""Reading an observation as a policy reads it: lines of the accessibility tree.

Owns: the elements and texts of an observation, and finding one by role and name. Does not own: how an observation is
written (`envs.browsing.pages.observing`), or acting (`pilot`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

_LINE = re.compile(r"(?P<indent> *)(?:\[(?P<id>\d{1,9})\] )?(?P<role>[A-Za-z]+)(?P<rest>(?: .*)?)")
_NAME = re.compile(r' ("(?:[^"\\]|\\.)*")')
_STATE = re.compile(r' ([a-z]+)(?:=("(?:[^"\\]|\\.)*"|[^ ]+))?')


@dataclass(frozen=True)
class Element:
    """A line of the tree.

    Attributes:
        id: The element's number; 0 for plain text.
        role: Such as `button`.
        name: What it is called, or says.
        depth: How deep it stands.
        states: Such as `{"value": "3"}` and `{"checked": ""}`.
    """

    id: int
    role: str
    name: str
    depth: int
    states: dict[str, str] = field(default_factory=dict)

    @property
    def at(self) -> tuple[int, int]:
        """The middle of a drawn shape."""
        x, _, y = self.states["at"].partition(",")
        return int(x), int(y)


@dataclass(frozen=True)
class Page:
    """What an observation shows."""

    text: str

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """Its elements and texts, in order."""
        return tuple(_elements(self.text))

    @property
    def url(self) -> str:
        """Its address."""
        found = re.search(r"^URL: (\S+)", self.text, re.MULTILINE)
        return found[1] if found else ""

    def all(self, role: str, name: str | None = None) -> list[Element]:
        """Elements of a role, with that name if one is given."""
        return [one for one in self.elements if one.role == role and name in (None, one.name)]

    def starting(self, role: str, words: str) -> list[Element]:
        """Elements of a role whose name begins so."""
        return [one for one in self.elements if one.role == role and one.name.startswith(words)]

    def after(self, element: Element) -> list[Element]:
        """What follows an element."""
        return list(self.elements[self.elements.index(element) + 1 :])

    def inside(self, element: Element) -> list[Element]:
        """What stands inside an element."""
        found = []
        for one in self.after(element):
            if one.depth <= element.depth:
                break
            found.append(one)
        return found

    @property
    def words(self) -> str:
        """All names and texts, one to a line."""
        return "\n".join(one.name for one in self.elements if one.name)


def _elements(text: str) -> Iterator[Element]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        rest, name = found["rest"], ""
        named = _NAME.match(rest)
        if named:
            name, rest = _unquoted(named[1]), rest[named.end() :]
        elif found["id"] is None:
            continue
        states = {word: _unquoted(value) if value.startswith('"') else value for word, value in _STATE.findall(rest)}
        yield Element(int(found["id"] or 0), found["role"], name, len(found["indent"]), states)


def _unquoted(text: str) -> str:
    """A JSON text's value; what only looks like one stays as it is."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text
