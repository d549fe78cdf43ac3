"""What the ChatML formats share: turn markers and keeping a message's text from forging them.

Owns: the markers and their escaping. Does not own: how tools and calls are written (`smollm`, `hermes`).
"""

from __future__ import annotations

END = "<|im_end|>"
_FORGEABLE = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def turn(role: str, text: str) -> str:
    """One finished turn."""
    return f"<|im_start|>{role}\n{text}{END}\n"


def open_turn(role: str) -> str:
    """The beginning of the turn that the policy is to write."""
    return f"<|im_start|>{role}\n"


def inert(text: str, markers: tuple[str, ...] = _FORGEABLE) -> str:
    """The text with turn markers broken up, so that no message or tool output can open or close a turn."""
    for marker in markers:
        text = text.replace(marker, marker.replace("<|", "< |"))
    return text


def until_end(text: str) -> str:
    """The sampled text up to its first end marker."""
    return text.split(END, 1)[0]
