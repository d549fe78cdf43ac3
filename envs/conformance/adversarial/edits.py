"""Mutations of code edits by a tool that replaces one text by another, and of what an editor shows.

Owns: the rules for Python. Does not own: edits by shell commands (`shell_commands`), or syntax (`verifiers.code`).

A harmful edit leaves other code than the expert's: its syntax tree differs, comments and layout aside. That is the
definition of the labelled cases. Where tests decide, code that no test tells from the expert's is a coincidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.conformance.adversarial.mutation import (
    Make,
    Mutation,
    arguments_of,
    letters_changed,
    with_argument,
)

_OLD = ("old_str", "old_string", "old_text")
_NEW = ("new_str", "new_string", "new_text")
_OPERATORS = (
    (" == ", " != "), (" != ", " == "), (" < ", " >= "), (" > ", " <= "), (" <= ", " > "), (" >= ", " < "),
    (" and ", " or "), (" or ", " and "), (" not in ", " in "), (" is not ", " is "), (" is None", " is not None"),
    (" + ", " - "), (" - ", " + "), (" * ", " + "), ("if not ", "if "), ("True", "False"), ("False", "True"),
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z_]\w{3,}")


def edit_mutations() -> Iterator[Mutation]:
    """All of them."""
    for name, why, line in _HARMFUL_LINES:
        yield Mutation(f"edit.{name}", True, why, _on_lines(line))
    yield Mutation("edit.old", True, "The text to replace does not stand in the file: nothing is changed.", _old)
    yield Mutation("edit.path", True, "Another file is edited or shown, one that is not there.", _path)
    yield Mutation("edit.nothing", True, "The old text is put in its own place.", _nothing)
    yield Mutation("edit.range", True, "The lines shown begin and end forty lines further.", _range)
    for name, why, line in _HARMLESS_LINES:
        yield Mutation(f"edit.{name}", False, why, _on_lines(line))


def _on_lines(change: Callable[[str], Iterator[str]]) -> Make:
    return partial(_lines, change)


def _lines(change: Callable[[str], Iterator[str]], pivot: Pivot) -> Iterator[Action]:
    """Edits with one of the lines changed that the expert's edit brought in."""
    for place, name, old, new in _edits(pivot):
        if '"""' in new or "'''" in new:
            continue
        lines, before = new.split("\n"), {line.strip() for line in old.split("\n")}
        for number, line in enumerate(lines):
            # Inside texts and comments a change may mean nothing, or something else than in code.
            if line.strip() and line.strip() not in before and not re.search(r"""['"#\\]""", line):
                for changed in change(line):
                    text = "\n".join([*lines[:number], changed, *lines[number + 1 :]])
                    yield with_argument(pivot.reference, place, name, text)


def _edits(pivot: Pivot) -> Iterator[tuple[int, str, str, str]]:
    for place, arguments in arguments_of(pivot):
        old, new = _first(arguments, _OLD), _first(arguments, _NEW)
        if old is not None and new is not None and str(arguments.get("path", "")).endswith(".py"):
            yield place, new, arguments[old], arguments[new]


def _first(arguments: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if isinstance(arguments.get(name), str)), None)


def _operator(line: str) -> Iterator[str]:
    for one, other in _OPERATORS:
        at = line.find(one)
        if at >= 0:
            yield line[:at] + other + line[at + len(one) :]


def _number(line: str) -> Iterator[str]:
    for match in re.finditer(r"(?<![\w.])\d+(?![\w.])", line):
        yield f"{line[: match.start()]}{int(match[0]) + 1}{line[match.end() :]}"


def _name(line: str) -> Iterator[str]:
    for match in _NAME.finditer(line):
        if match[0] not in ("return", "else", "elif", "while", "yield", "pass", "raise", "from", "import", "None"):
            yield f"{line[: match.end()]}_x{line[match.end() :]}"


def _dropped(line: str) -> Iterator[str]:
    if not line.rstrip().endswith(":"):
        yield f"{line[: len(line) - len(line.lstrip())]}pass"


def _commented(line: str) -> Iterator[str]:
    yield f"{line}  # as before"


def _blank(line: str) -> Iterator[str]:
    yield f"\n{line}"


def _trailing(line: str) -> Iterator[str]:
    yield f"{line}  "


def _parenthesised(line: str) -> Iterator[str]:
    match = re.fullmatch(r"(\s*(?:el)?if |\s*while |\s*return )([^:=]+?)(:?)", line)
    if match and match[2].count("(") == match[2].count(")") and not match[2].endswith((",", "(", "[", "{")):
        yield f"{match[1]}({match[2]}){match[3]}"


def _old(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        name = _first(arguments, _OLD)
        for changed in letters_changed(arguments[name]) if name else ():
            yield with_argument(pivot.reference, place, name or "", changed)


def _nothing(pivot: Pivot) -> Iterator[Action]:
    for place, name, old, _ in _edits(pivot):
        yield with_argument(pivot.reference, place, name, old)


def _path(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        if isinstance(arguments.get("path"), str) and "command" in arguments:
            yield with_argument(pivot.reference, place, "path", arguments["path"] + ".other")


def _range(pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        lines = arguments.get("view_range")
        if isinstance(lines, list) and len(lines) == 2 and all(isinstance(line, int) and line > 0 for line in lines):
            yield with_argument(pivot.reference, place, "view_range", [line + 40 for line in lines])


_HARMFUL_LINES = (
    ("operator", "An operator or truth value of a changed line is another.", _operator),
    ("number", "A number in a changed line is greater by one.", _number),
    ("name", "A name in a changed line is another.", _name),
    ("dropped", "A changed line does nothing.", _dropped),
)
_HARMLESS_LINES = (
    ("comment", "A comment behind a changed line.", _commented),
    ("blank", "An empty line before a changed line.", _blank),
    ("trailing", "Blanks behind a changed line.", _trailing),
    ("parentheses", "Parentheses around a condition or a returned value.", _parenthesised),
)
