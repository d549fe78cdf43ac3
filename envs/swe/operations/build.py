"""From named values to operations.

Owns: which fields an operation of a table can have, and what is wrong with values that do not go together. Does not
own: reading values (`values`), which argument is which field (`tables`).

A builder's parameters are the fields that a table may name; those without a default must be there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from pivotgym.envs.swe.operations.values import BadValue
from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.operations import (
    WHOLE,
    Create,
    Find,
    Insert,
    Move,
    Operation,
    Patch,
    Prefix,
    Replace,
    ReplaceLines,
    Search,
    Span,
    Submit,
    Think,
    Undo,
    View,
)

_SHOWN: dict[str, tuple[Prefix, ...]] = {"": (), "numbered": ("tab",), "named": ("name", "colon")}
_SHELLS = ("bash", "sh", "zsh")


def shell_line(command: str | list[str], workdir: str = "") -> str:
    """A command, also one given word by word, as one line of bash that goes to a folder first where one is given."""
    if isinstance(command, list):
        is_shell = (
            len(command) == 3 and command[0].rpartition("/")[2] in _SHELLS and command[1] in ("-c", "-lc", "-lic")
        )
        command = command[2] if is_shell else command[0] if len(command) == 1 else shlex.join(command)
    return f"cd {shlex.quote(workdir)} && {command}" if workdir else command


def _shell(command: str | list[str], workdir: str = "") -> Operation:
    return operation_of(shell_line(command, workdir))


def _view(
    path: str,
    lines: Span | None = None,
    offset: int | None = None,
    after: int | None = None,
    limit: int | None = None,
    shown: str = "",
) -> View:
    """`offset` is the first line, `after` how many are left out before it."""
    if (offset is not None and offset < 0) or (after is not None and after < 0) or (limit is not None and limit < 1):
        raise BadValue("an offset from 0 and a limit from 1")
    first = max(offset or 1, 1) if after is None else after + 1
    last = None if limit is None else first + limit - 1
    span = lines or (first, last)
    return View((path,), WHOLE if span == (1, None) else (span,), _SHOWN[shown])


def _search(
    pattern: str,
    where: str = "",
    only: str = "",
    syntax: Literal["basic", "extended", "fixed", "perl"] = "fixed",
    recursive: bool = False,
    reports: Literal["lines", "files", "counts"] = "lines",
    shown: str = "",
) -> Search:
    return Search(
        pattern=pattern,
        where=(where,) if where else (),
        syntax=syntax,
        recursive=recursive,
        only=(only,) if only else (),
        reports=reports,
        shown=_SHOWN[shown],
    )


def _find(name: str, where: str = "", whole_path: bool = False) -> Find:
    pattern = name.removeprefix("**/") if whole_path else name
    by_path = whole_path and "/" in pattern
    return Find((where,) if where else (), (pattern,), "f", None, ("path",) if by_path else ())


def _list(where: str = "", depth: int | None = 1) -> Find:
    return Find((where,) if where else (), depth=depth, flags=("listing",))


def _replace(old: str, new: str = "", path: str = "", every: bool = False) -> Replace:
    return Replace(path, old, new, every)


def _replace_lines(
    text: str, span: Span | None = None, first: int | None = None, last: int | None = None, path: str = ""
) -> ReplaceLines:
    if span is None:
        if first is None:
            raise BadValue("the first line to replace")
        span = (first, first if last is None else last)
    start, end = span
    if start < 1 or end is None or end < start:
        raise BadValue("line numbers from 1, the last not before the first")
    return ReplaceLines(path, start, end, text)


def _rewrite_window(text: str) -> ReplaceLines:
    """The window's lines are known only to the world; line 0 stands for them (`window.resolved`)."""
    return ReplaceLines("", 0, 0, text)


def _create(path: str, text: str, overwrite: bool = False) -> Create:
    return Create(path, text, overwrite)


def _insert(path: str, text: str = "", after: int = -1) -> Insert:
    return Insert(path, after, text)


def _undo(path: str) -> Undo:
    return Undo(path)


def _patch(text: str) -> Patch:
    return Patch(text)


def _open(path: str | None = None, line: int | None = None) -> Move:
    return Move("open", path, line)


def _goto(line: int) -> Move:
    return Move("goto", None, line)


def _scroll_down() -> Move:
    return Move("down")


def _scroll_up() -> Move:
    return Move("up")


def _submit(message: str = "", ignored: Any = None) -> Submit:
    return Submit(message)


def _think(text: Any = "", ignored: Any = None) -> Think:
    return Think(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))


Builder: TypeAlias = Callable[..., Operation]
BUILDERS: dict[str, Builder] = {
    "shell": _shell,
    "view": _view,
    "search": _search,
    "find": _find,
    "list": _list,
    "replace": _replace,
    "replace_lines": _replace_lines,
    "rewrite_window": _rewrite_window,
    "create": _create,
    "insert": _insert,
    "undo": _undo,
    "patch": _patch,
    "open": _open,
    "goto": _goto,
    "scroll_down": _scroll_down,
    "scroll_up": _scroll_up,
    "submit": _submit,
    "think": _think,
}
"""Builders by the names that tables use."""
