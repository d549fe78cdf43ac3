r"""Keystrokes as a terminal gets them, spelled as `tmux send-keys` and Terminus-2 spell them.

Owns: the names of keys. Does not own: typing them (`envs.sandbox.shell.terminal`).

A string is one key where the whole of it is a key's name (`C-c`, `Enter`, `Up`); otherwise every character is typed as
it is, `\n` as a line feed. Names inside a longer string are text, as with tmux.
"""

from __future__ import annotations

import re

from pivotgym.envs.sandbox.shell.quoting import to_bytes

_NAMED = {
    "enter": "\r", "kpenter": "\r", "tab": "\t", "btab": "\x1b[Z", "space": " ", "bspace": "\x7f", "escape": "\x1b",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[1~", "end": "\x1b[4~",
    "ic": "\x1b[2~", "insert": "\x1b[2~", "dc": "\x1b[3~", "delete": "\x1b[3~",
    "ppage": "\x1b[5~", "pageup": "\x1b[5~", "pgup": "\x1b[5~",
    "npage": "\x1b[6~", "pagedown": "\x1b[6~", "pgdn": "\x1b[6~",
    "f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS", "f5": "\x1b[15~", "f6": "\x1b[17~",
    "f7": "\x1b[18~", "f8": "\x1b[19~", "f9": "\x1b[20~", "f10": "\x1b[21~", "f11": "\x1b[23~", "f12": "\x1b[24~",
}  # fmt: skip
_MODIFIED = re.compile(r"((?:[CMcm]-)+|\^)(.+)", re.DOTALL)


def typed(keys: str) -> bytes:
    """What reaches the terminal when these keys are sent."""
    key = _key(keys)
    return to_bytes(keys if key is None else key)


def _key(name: str) -> str | None:
    if plain := _NAMED.get(name.lower()):
        return plain
    if not (match := _MODIFIED.fullmatch(name)):
        return None
    inner = _NAMED.get(match[2].lower(), match[2])
    if len(match[2]) > 1 and match[2].lower() not in _NAMED:
        return None
    modifiers = match[1].upper()
    if "C" in modifiers or "^" in modifiers:
        inner = _control(inner)
    return "\x1b" + inner if "M" in modifiers else inner


def _control(key: str) -> str:
    if key in ("?", "\x7f"):
        return "\x7f" if key == "?" else "\x08"
    if key in (" ", "2", "@"):
        return "\0"
    return chr(ord(key.upper()) & 31) if len(key) == 1 and "@" <= key.upper() <= "_" else key
