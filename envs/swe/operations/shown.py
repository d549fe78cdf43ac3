"""What an editor says after a view or an edit, as the policy sees it.

Owns: the texts of OpenHands' (and Anthropic's) editor and of SWE-agent's window. Does not own: refusals (`edits`), or
cutting long outputs, which both harnesses do by settings of their own.
"""

from __future__ import annotations

from pivotgym.core.errors import InputError
from pivotgym.envs.swe.operations.window import Window
from pivotgym.verifiers.code.operations import Create, Edit, Insert, Replace, Span, Undo
from pivotgym.verifiers.code.patches import Refused

_AROUND = 4
"""Lines that are shown before and after an edit."""


def viewed(path: str, text: str, span: Span = (1, None)) -> str | Refused:
    r"""A file, or some of its lines, with numbers.

    Args:
        path: As the policy wrote it.
        text: The whole file.
        span: First and last line.

    >>> viewed("/r/a.py", "one\ntwo\n", (2, 2))
    "Here's the result of running `cat -n` on /r/a.py:\n     2\ttwo\n"
    """
    if span == (1, None):
        return _numbered(text, path, 1)
    lines = text.splitlines()
    first, last = span
    given = f"Invalid `view_range` parameter: {[first, -1 if last is None else last]}."
    if not 1 <= first <= len(lines):
        within = f"within the range of lines of the file: {[1, len(lines)]}"
        return Refused(f"{given} Its first element `{first}` should be {within}.")
    end = len(lines) if last is None else min(last, len(lines))
    if end < first:
        return Refused(
            f"{given} Its second element `{end}` should be greater than or equal to the first element `{first}`."
        )
    shown = _numbered("\n".join(lines[first - 1 : end]), path, first)
    if last is None or last <= len(lines):
        return shown
    return f"{shown}\nNOTE: We only show up to {end} since there's only {end} lines in this file\n"


def told(operation: Edit, before: str | None, after: str) -> str:
    """What OpenHands' editor says after an edit that it made.

    Args:
        operation: A creation, replacement, insertion or undoing.
        before: The file's text before it.
        after: Its text after it.

    Raises:
        InputError: For an edit that this editor does not have.
    """
    if isinstance(operation, Create):
        return f"File created successfully at: {operation.path}"
    if isinstance(operation, Undo):
        return f"Last edit to {operation.path} undone successfully. {_numbered(after, operation.path, 1)}"
    if isinstance(operation, Insert):
        count = operation.text.count("\n") + 1
        start = max(0, operation.after - _AROUND)
        shown = _numbered(
            _lines(after, start, operation.after + _AROUND + count), "a snippet of the edited file", start + 1
        )
        return f"The file {operation.path} has been edited. {shown}{_REVIEW}{_INDENTATION}{_AGAIN}"
    if isinstance(operation, Replace):
        line = (before or "").partition(operation.old)[0].count("\n") + 1
        start = max(0, line - _AROUND)
        snippet = _lines(after, start, line + _AROUND + operation.new.count("\n"))
        shown = _numbered(snippet, f"a snippet of {operation.path}", start + 1)
        return f"The file {operation.path} has been edited. {shown}{_REVIEW}{_AGAIN}"
    raise InputError(f"told: expected an edit of OpenHands' editor, got {operation.kind}")


_REVIEW, _AGAIN = "Review the changes and make sure they are as expected", ". Edit the file again if necessary."
_INDENTATION = " (correct indentation, no duplicate lines, etc)"


def window_text(window: Window, text: str) -> str:
    r"""What SWE-agent's window shows of its file: a head line, what is above, numbered lines, what is below.

    >>> print(window_text(Window("a.py", first=2, size=1), "one\ntwo\nthree\n"))
    [File: a.py (3 lines total)]
    (1 more lines above)
    2:two
    (1 more lines below)
    """
    lines = text.splitlines()
    first, last = window.span(len(lines))
    above = [f"({first - 1} more lines above)"] if first > 1 else []
    below = [f"({len(lines) - last} more lines below)"] if last < len(lines) else []
    numbered = [f"{first + place}:{line}" for place, line in enumerate(lines[first - 1 : last])]
    return "\n".join([f"[File: {window.path} ({len(lines)} lines total)]", *above, *numbered, *below])


def _lines(text: str, start: int, end: int) -> str:
    """Lines after `start`, up to and with `end`."""
    return "".join(text.splitlines(keepends=True)[start:end])


def _numbered(text: str, what: str, first: int) -> str:
    lines = (f"{first + place:6}\t{line}" for place, line in enumerate(text.split("\n")))
    return f"Here's the result of running `cat -n` on {what}:\n" + "\n".join(lines) + "\n"
