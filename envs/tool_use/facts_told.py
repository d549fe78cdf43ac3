"""Whether the user was told what a task asks for.

Owns: that rule, tau-bench's: each required text stands in one of the agent's messages, whatever the case and without
the commas of large numbers. One thing is stricter: a number is not found inside a longer one. Does not own: the state
of the database (`envs.tool_use.world` compares it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def told(outputs: Iterable[str], messages: Sequence[str]) -> bool:
    """Whether every one of `outputs` was said in one of `messages`."""
    said = [_plain(message) for message in messages]
    return all(any(_stands_in(_plain(output), message) for message in said) for output in outputs)


def _plain(text: str) -> str:
    return text.replace(",", "").lower().strip()


def _stands_in(output: str, message: str) -> bool:
    before = r"(?<!\d)(?<!\d\.)" if output[:1].isdigit() else ""
    after = r"(?!\d)" if output[-1:].isdigit() else ""
    return re.search(before + re.escape(output) + after, message) is not None
