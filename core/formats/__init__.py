"""Text <-> action, one module per format.

Owns: the format contract and the table of formats by name. Does not own: tokenising (`trainer/policy`), or scoring.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from pivotgym.core.errors import NotFound
from pivotgym.core.messages import Action, Malformed, Message, Tool

_MODULES = {"smollm": "pivotgym.core.formats.smollm", "hermes": "pivotgym.core.formats.hermes"}


class Format(Protocol):
    """How a policy reads a state and writes an action.

    Attributes:
        name: The format's name.
        version: Raised whenever the text of any prompt or action changes.
        stop: Texts at which sampling ends.
    """

    name: str
    version: int
    stop: tuple[str, ...]

    def render(self, messages: list[Message], tools: list[Tool]) -> str:
        """The prompt: the state, up to where the assistant's text begins."""

    def render_action(self, action: Action) -> str:
        """The text of an action, including the stop text: what SFT trains on."""

    def parse(self, text: str) -> Action | Malformed:
        """Read an action from sampled text (with or without the stop text). Never raises."""


def format_names() -> list[str]:
    """The names of all formats."""
    return sorted(_MODULES)


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        NotFound: If there is none; the message lists those there are.
    """
    if name not in _MODULES:
        raise NotFound(f"format: expected one of {format_names()}, got {name!r}")
    fmt: Format = import_module(_MODULES[name]).FORMAT
    return fmt


def format_id(fmt: Format) -> str:
    """Name and version as stored in profiles and checkpoints, e.g. `smollm/1`."""
    return f"{fmt.name}/{fmt.version}"
