"""The words and operators of a plain shell command, with their places in its text.

Owns: reading commands whose words hold no expansion, so that one word can be replaced in the text and everything else
stays. Does not own: the verifiers' reading of commands (`verifiers.shell.parse`): the two share nothing, on purpose.

Commands with `$`, backquotes, here documents, control words or line breaks are not read; no mutation touches them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["program", "argument", "target", "operator"]
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
    |(?P<operator>\|\||&&|>>|[|;<>])
    |(?P<word>(?:'[^']*'|"[^"\\$`]*"|\\[^\n]|[^\s'"\\|;<>&()$`\#!])+)""",
    re.VERBOSE,
)
_CONTROL = frozenset(
    {"for", "while", "until", "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "select", "function"}
    | {"time", "coproc", "{", "}", "[[", "cd"}
)


@dataclass(frozen=True)
class Token:
    """A word or operator.

    Attributes:
        start: Where it begins in the text.
        end: Where it ends.
        text: As it stands there, with its quotes.
        role: What it is; a target is the file of a redirection.
        program: The program of its simple command, "" before it is known.
        command: Index of its simple command.
    """

    start: int
    end: int
    text: str
    role: Role
    program: str
    command: int

    @property
    def plain(self) -> str | None:
        """Its value, where it is bare or quoted as a whole; else `None`."""
        if len(self.text) > 1 and self.text[0] == self.text[-1] and self.text[0] in "'\"":
            return None if self.text[0] in self.text[1:-1] else self.text[1:-1]
        return None if re.search(r"['\"\\]", self.text) else self.text

    @property
    def quote(self) -> str:
        """The quotes around it, or ""."""
        return self.text[0] if self.text[0] in "'\"" and self.plain is not None else ""


def read(command: str) -> list[Token] | None:
    """The tokens of a command, or `None` where it is none that is read here."""
    tokens: list[Token] = []
    place, number, program, target = 0, 0, "", False
    while match := _TOKEN.match(command, place):
        place = match.end()
        if match["space"]:
            continue
        role: Role = "operator" if match["operator"] else "target" if target else "argument" if program else "program"
        if role == "program":
            program = match[0]
            if "=" in program or program in _CONTROL:
                return None
        tokens.append(Token(match.start(), place, match[0], role, program, number))
        target = match[0] in (">", ">>", "<") if role == "operator" else False
        if role == "operator" and not target:
            program, number = "", number + 1
    complete = place == len(command) and tokens and tokens[-1].role != "operator"
    return tokens if complete and tokens[0].role == "program" else None


def put(command: str, token: Token, text: str) -> str:
    """The command with another text in a token's place."""
    return command[: token.start] + text + command[token.end :]
