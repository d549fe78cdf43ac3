"""Options of command lines, as GNU's `getopt` reads them.

Owns: flags, values and operands of a list of words. Does not own: what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Options:
    """What a command line says: names of its flags, values by name in order, operands in order."""

    flags: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    operands: list[str] = field(default_factory=list)


def read_options(
    words: Sequence[str], *, flags: Mapping[str, str], values: Mapping[str, str] | None = None
) -> Options | None:
    """Read a command line; `None` at the first option that is not named.

    Args:
        words: The arguments of a program. Options may follow operands; `--` ends them.
        flags: Options without a value, with the name that they are known by; an empty name is read and forgotten.
        values: Options with a value, likewise. A value may be joined to its option.

    >>> read_options(["-rn", "x", "--include=*.py"], flags={"-r": "r", "-n": "n"}, values={"--include": "only"})
    Options(flags={...}, values={'only': ['*.py']}, operands=['x'])
    """
    reader = _Reader(flags, values or {})
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            reader.found.operands += left
            break
        if not word.startswith("-") or word == "-":
            reader.found.operands.append(word)
        elif not (reader.long(word, left) if word.startswith("--") else reader.short(word, left)):
            return None
    return reader.found


class _Reader:
    def __init__(self, flags: Mapping[str, str], values: Mapping[str, str]) -> None:
        self.flags, self.values = flags, values
        self.found = Options()

    def long(self, word: str, left: list[str]) -> bool:
        name, joined, value = word.partition("=")
        if name in self.flags and not joined:
            return self._flag(name)
        if name not in self.values or not (joined or left):
            return False
        return self._value(name, value if joined else left.pop(0))

    def short(self, word: str, left: list[str]) -> bool:
        if word in self.flags:
            return self._flag(word)
        for place in range(1, len(word)):
            name, rest = f"-{word[place]}", word[place + 1 :]
            if name in self.values:
                return bool(rest or left) and self._value(name, rest or left.pop(0))
            if name not in self.flags:
                return False
            self._flag(name)
        return True

    def _flag(self, name: str) -> bool:
        if self.flags[name]:
            self.found.flags.add(self.flags[name])
        return True

    def _value(self, name: str, value: str) -> bool:
        if self.values[name]:
            self.found.values.setdefault(self.values[name], []).append(value)
        return True
