"""Text <-> action, one module per format.

Owns: the format contract, the table of formats by name, and which one a model knows. Does not own: tokenising
(`trainer/policy`), or scoring.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Protocol

from pivotgym.core.errors import NotFound
from pivotgym.core.messages import Action, Malformed, Message, Tool

_PLACES = {
    "smollm": ("smollm", "FORMAT"),
    "hermes": ("hermes", "FORMAT"),
    "qwen": ("qwen", "FORMAT"),
    "qwen-instruct": ("qwen", "FORMAT_INSTRUCT"),
    "qwen2.5": ("qwen", "FORMAT_25"),
    "llama-json": ("llama_json", "FORMAT"),
}
_TEMPLATE_MARKS = (
    (("named SmolLM",), "smollm"),
    (("<|start_header_id|>",), "llama-json"),
    (("function calling AI model",), "hermes"),
    (("You are Qwen",), "qwen2.5"),
    (("<args-json-object>", "</think>"), "qwen"),
    (("<args-json-object>",), "qwen-instruct"),
)
"""What the chat template of a model trained on a format holds; the first that is found whole decides."""
_NAME_MARKS = (
    (r"smollm2?(?!\d)", "smollm"),
    (r"hermes", "hermes"),
    (r"qwen-?2\.5(?!.*-vl)", "qwen2.5"),
    (r"qwen-?3(?!.*coder)(?!\.\d)(?=.*instruct-2507)", "qwen-instruct"),
    (r"qwen-?3(?!.*coder)(?!\.\d)", "qwen"),
    (r"llama-?3\.[1-9]", "llama-json"),
)
"""Names of models (lower case) by format; the first that is found decides."""


class Format(Protocol):
    """How a policy reads a state and writes an action.

    Attributes:
        name: The format's name.
        version: Raised whenever the text of any prompt or action changes.
        stop: Texts at which sampling ends.
        bos: Text of the token that begins each prompt, where the format has one.
    """

    name: str
    version: int
    stop: tuple[str, ...]
    bos: str

    def render(self, messages: list[Message], tools: list[Tool]) -> str:
        """The prompt: the state, up to where the assistant's text begins."""

    def render_action(self, action: Action) -> str:
        """The text of an action, including the stop text: what SFT trains on."""

    def parse(self, text: str) -> Action | Malformed:
        """Read an action from sampled text (with or without the stop text). Never raises."""


def format_names() -> list[str]:
    """The names of all formats."""
    return sorted(_PLACES)


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        NotFound: If there is none; the message lists those there are.
    """
    if name not in _PLACES:
        raise NotFound(f"format: expected one of {format_names()}, got {name!r}")
    module, attribute = _PLACES[name]
    fmt: Format = getattr(import_module(f"pivotgym.core.formats.{module}"), attribute)
    return fmt


def format_for(model: str, chat_template: str | None = None) -> Format:
    """The format that a model was trained on: by its chat template's marks where it decides, else by its name.

    Args:
        model: Name of the model, or its folder: `Qwen/Qwen3-8B`, `llama3.1:8b`.
        chat_template: The template of its tokenizer.

    Raises:
        NotFound: If neither tells; the hint says what to do.
    """
    for marks, name in _TEMPLATE_MARKS:
        if all(mark in (chat_template or "") for mark in marks):
            return get_format(name)
    short = model.rstrip("/").rsplit("/", 1)[-1].lower()
    for pattern, name in _NAME_MARKS:
        if re.search(pattern, short):
            return get_format(name)
    raise NotFound(
        f"format: expected a model whose format is known, got {model!r}",
        hint=f"set `format` to one of {format_names()}, or let a server call tools natively",
    )


def format_id(fmt: Format) -> str:
    """Name and version as stored in profiles and checkpoints, e.g. `smollm/1`."""
    return f"{fmt.name}/{fmt.version}"
