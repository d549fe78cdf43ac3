"""Edits as pure functions: a file's text before and an operation give its text after, or the tool's refusal.

Owns: what each harness's editor does to one file, and its error messages. Does not own: patches of several files
(`verifiers.code.patches`), reading and writing files (the world), or when two results are the same (`verifiers.code`).

Not done: SWE-agent's refusal of edits that its linter (flake8) finds fault with, and the looser matching that opencode
tries where the text to replace is not found; both refuse or edit where the functions here do otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pivotgym.core.errors import InputError
from pivotgym.verifiers.code.operations import Create, Edit, Insert, Patch, Replace, ReplaceLines, Undo
from pivotgym.verifiers.code.patches import Refused

OPENHANDS, SWE_AGENT = "openhands", "swe_agent"


@dataclass(frozen=True)
class Edited:
    """The file's text after the edit."""

    text: str


def edited(
    operation: Edit,
    before: str | None,
    *,
    harness: str = OPENHANDS,
    window: tuple[int, int] | None = None,
    previous: str | None = None,
) -> Edited | Refused:
    r"""Apply an edit of one file.

    Args:
        operation: What to do; not a `Patch`.
        before: The file's text, `None` where there is no file.
        harness: Whose editor it is: which messages, and what is refused.
        window: First and last line that SWE-agent's window shows; its editor replaces texts only there.
        previous: The text before the last edit, for `Undo`; `None` where there was none.

    Raises:
        InputError: For a `Patch`.

    >>> edited(Replace("/t/a.py", "x = 1", "x = 2"), "x = 1\n")
    Edited(text='x = 2\n')
    """
    if isinstance(operation, Patch):
        raise InputError(
            "edited: expected an edit of one file, got a patch", hint="use pivotgym.verifiers.code.patches.patched"
        )
    if isinstance(operation, Create):
        return _create(operation, before, harness)
    if before is None:
        if isinstance(operation, Replace) and not operation.old and harness not in (OPENHANDS, SWE_AGENT):
            return Edited(operation.new)
        return Refused(_absent(operation.path, harness))
    if isinstance(operation, Undo):
        missing = Refused(f"No edit history found for {operation.path}.")
        return missing if previous is None else Edited(previous)
    if isinstance(operation, Replace):
        return (
            _replace_in_window(operation, before, window)
            if harness == SWE_AGENT
            else _replace(operation, before, harness)
        )
    if isinstance(operation, ReplaceLines):
        return _replace_lines(operation, before)
    return _insert_lines(operation, before) if harness == SWE_AGENT else _insert(operation, before)


def _absent(path: str, harness: str) -> str:
    if harness == OPENHANDS:
        return f"Invalid `path` parameter: {path}. The path {path} does not exist. Please provide a valid path."
    return f"Error: File {path} not found"


def _create(operation: Create, before: str | None, harness: str) -> Edited | Refused:
    if before is None or operation.overwrite:
        return Edited(operation.text)
    if harness == SWE_AGENT:
        return Refused(f"Error: File '{operation.path}' already exists.")
    reason = f"File already exists at: {operation.path}. Cannot overwrite files using command `create`."
    return Refused(f"Invalid `path` parameter: {operation.path}. {reason}")


def _replace(operation: Replace, before: str, harness: str) -> Edited | Refused:
    old, new = operation.old, operation.new
    if harness != OPENHANDS:
        return _replace_plainly(operation, before)
    if old == new:
        return Refused(
            f"Invalid `new_str` parameter: {new}. No replacement was performed. "
            "`new_str` and `old_str` must be different."
        )
    if not old:
        return Refused("No replacement was performed: `old_str` must not be empty.")
    starts = _places(before, old)
    if not starts:
        return Refused(f"No replacement was performed, old_str `{old}` did not appear verbatim in {operation.path}.")
    if len(starts) > 1:
        lines = _lines_of(before, starts)
        return Refused(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines {lines}. "
            "Please ensure it is unique."
        )
    return Edited(before[: starts[0]] + new + before[starts[0] + len(old) :])


def _replace_plainly(operation: Replace, before: str) -> Edited | Refused:
    """The editors of opencode, Claude Code and Droid."""
    old, new = operation.old, operation.new
    if old == new:
        return Refused("No changes to make: the old and the new text are exactly the same.")
    count = before.count(old) if old else 0
    if not count:
        return Refused(f"String to replace not found in file.\nString: {old}")
    if count > 1 and not operation.every:
        return Refused(
            f"Found {count} matches of the string to replace, but replacing all was not asked for. "
            f"Give more context to name one of them.\nString: {old}"
        )
    return Edited(before.replace(old, new))


def _places(text: str, part: str) -> list[int]:
    """Where a text that is not empty stands, without overlaps."""
    return [found.start() for found in re.finditer(re.escape(part), text)]


def _lines_of(text: str, starts: Iterable[int]) -> list[int]:
    """The lines, from 1, in which places stand that are given in order, each once."""
    found: dict[int, None] = {}
    line, last = 1, 0
    for start in starts:
        line, last = line + text.count("\n", last, start), start
        found[line] = None
    return list(found)


def _replace_in_window(operation: Replace, before: str, window: tuple[int, int] | None) -> Edited | Refused:
    old, new = operation.old, operation.new
    if not old:
        return Refused("Search text must not be empty. Use insert to add new text.")
    if old == new:
        return Refused(
            "Your search and replace strings are the same. No changes were made. "
            "Please modify your search or replace strings."
        )
    head = "Your edit was not applied (file not modified)"
    if operation.every:
        found = Edited(before.replace(old, new)) if old in before else None
        return found or Refused(f"{head}: Text {old!r} not found in displayed lines (or anywhere in the file).")
    lines = before.split("\n")
    first, last = window or (1, len(lines))
    shown = "\n".join(lines[first - 1 : last])
    if shown.count(old) > 1:
        return Refused(f"{head}: Found more than one occurrence of {old!r} in the currently displayed lines.")
    if old not in shown:
        where = "" if old in before else " (or anywhere in the file)"
        return Refused(f"{head}: Text {old!r} not found in displayed lines{where}.")
    changed = shown.replace(old, new)
    return Edited("\n".join([*lines[: first - 1], *(changed.split("\n") if changed else []), *lines[last:]]))


def _replace_lines(operation: ReplaceLines, before: str) -> Edited:
    """SWE-agent's: lines after the file's end are its end, as in a slice."""
    lines = before.split("\n")
    text = operation.text.removesuffix("\n")
    return Edited(
        "\n".join([*lines[: operation.first - 1], *(text.split("\n") if text else []), *lines[operation.last :]])
    )


def _insert(operation: Insert, before: str) -> Edited | Refused:
    """OpenHands' and Anthropic's: whole lines after a line."""
    lines = before.splitlines(keepends=True)
    if not 0 <= operation.after <= len(lines):
        return Refused(
            f"Invalid `insert_line` parameter: {operation.after}. "
            f"It should be within the range of allowed values: {[0, len(lines)]}"
        )
    return Edited("".join([*lines[: operation.after], operation.text, "\n", *lines[operation.after :]]))


def _insert_lines(operation: Insert, before: str) -> Edited:
    """SWE-agent's: after a line, or at the end."""
    text = operation.text.removesuffix("\n")
    if not operation.text:
        return Edited(before)
    if operation.after < 0:
        return Edited(f"{before.removesuffix(chr(10))}\n{text}" if before else text)
    lines = before.split("\n")
    return Edited("\n".join([*lines[: operation.after], text, *lines[operation.after :]]))
