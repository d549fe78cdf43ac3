"""OpenAI's `apply_patch` as a pure function: files before and a patch give files after, or the tool's refusal.

Owns: the patch language and how its hunks find their place. Does not own: reading and writing files (the world).

A hunk's lines are looked for from where the last one ended: exactly, then without trailing space, then without space at
both ends, then with typographic quotes, dashes and spaces taken for plain ones. A `@@ text` before them moves on to the
line with that text. Hunks without old lines add at the end of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_BEGIN, _END = "*** Begin Patch", "*** End Patch"
_ADD, _DELETE, _UPDATE, _MOVE = "*** Add File: ", "*** Delete File: ", "*** Update File: ", "*** Move to: "
_END_OF_FILE = "*** End of File"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    }
)
_READINGS: tuple[Callable[[str], str], ...] = (
    lambda line: line,
    lambda line: line.rstrip(),
    lambda line: line.strip(),
    lambda line: line.strip().translate(_PLAIN),
)


@dataclass(frozen=True)
class Refused:
    """The edit changes nothing, and what the tool says."""

    message: str


@dataclass
class Hunk:
    """Lines to find and what to put there: below a line `context` where one is given, at the end where `at_end`."""

    context: str | None = None
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    at_end: bool = False


@dataclass
class FileChange:
    """What a patch does to one file: `text` for a new one, hunks for an old one, neither to delete it."""

    path: str
    text: str | None = None
    hunks: list[Hunk] = field(default_factory=list)
    delete: bool = False
    moved_to: str | None = None


class _Bad(Exception):
    """The patch cannot be read or applied; the message is the tool's."""


def read_patch(text: str) -> list[FileChange] | Refused:
    """The changes of a patch in order, or why it is none."""
    lines = text.strip().split("\n")
    if lines[0].strip() != _BEGIN:
        return Refused(f"Invalid patch: The first line of the patch must be '{_BEGIN}'")
    if lines[-1].strip() != _END:
        return Refused(f"Invalid patch: The last line of the patch must be '{_END}'")
    try:
        changes = _changes(lines[1:-1])
    except _Bad as bad:
        return Refused(str(bad))
    return changes or Refused("No files were modified.")


def patched(text: str, files: Mapping[str, str | None]) -> dict[str, str | None] | Refused:
    """The files that a patch changes, with their text after it; `None` for a file that is gone.

    Args:
        text: The patch.
        files: The text of every file the patch names (`paths_of`); missing or `None` where there is none.
    """
    changes = read_patch(text)
    if isinstance(changes, Refused):
        return changes
    after: dict[str, str | None] = {}
    try:
        for change in changes:
            before = after[change.path] if change.path in after else files.get(change.path)
            _apply(change, before, after)
    except _Bad as bad:
        return Refused(str(bad))
    return after


def paths_of(text: str) -> list[str]:
    """The files that a patch names, in order; none for a text that is no patch."""
    changes = read_patch(text)
    if isinstance(changes, Refused):
        return []
    return [path for change in changes for path in (change.path, change.moved_to) if path]


def _changes(lines: list[str]) -> list[FileChange]:
    changes: list[FileChange] = []
    place = 0
    while place < len(lines):
        header, place = lines[place].strip(), place + 1
        body = []
        while place < len(lines) and not lines[place].startswith((_ADD, _DELETE, _UPDATE)):
            body.append(lines[place])
            place += 1
        changes.append(_change(header, body))
    return changes


def _change(header: str, body: list[str]) -> FileChange:
    if header.startswith(_ADD):
        if not all(line.startswith("+") for line in body):
            raise _Bad(f"Invalid hunk: every line of the new file {header.removeprefix(_ADD)} must start with '+'")
        return FileChange(header.removeprefix(_ADD), text="".join(f"{line[1:]}\n" for line in body))
    if header.startswith(_DELETE):
        if any(line.strip() for line in body):
            raise _Bad(f"Invalid hunk: nothing may follow '{header}'")
        return FileChange(header.removeprefix(_DELETE), delete=True)
    if not header.startswith(_UPDATE):
        known = f"'{_ADD}{{path}}', '{_DELETE}{{path}}', '{_UPDATE}{{path}}'"
        raise _Bad(f"Invalid hunk: '{header}' is not a valid hunk header. Valid hunk headers: {known}")
    change = FileChange(header.removeprefix(_UPDATE))
    if body and body[0].startswith(_MOVE):
        change.moved_to = body.pop(0).removeprefix(_MOVE).strip()
    change.hunks = _hunks(body)
    if not change.hunks:
        raise _Bad(f"Invalid hunk: Update file hunk for path '{change.path}' is empty")
    return change


def _hunks(lines: list[str]) -> list[Hunk]:
    hunks: list[Hunk] = []
    for line in lines:
        if line.rstrip() == "@@" or line.startswith("@@ "):
            hunks.append(Hunk(context=line[3:] or None))
        elif line.strip() == _END_OF_FILE:
            if not hunks:
                raise _Bad("Invalid hunk: Update hunk does not contain any lines")
            hunks[-1].at_end = True
        else:
            if not hunks:
                hunks.append(Hunk())
            _hunk_line(hunks[-1], line)
    empty = [hunk for hunk in hunks if not hunk.old and not hunk.new and hunk.context is None]
    if empty:
        raise _Bad("Invalid hunk: Update hunk does not contain any lines")
    return hunks


def _hunk_line(hunk: Hunk, line: str) -> None:
    mark, text = line[:1], line[1:]
    if mark not in (" ", "-", "+", ""):
        raise _Bad(f"Invalid hunk: Unexpected line found in update hunk: '{line}'. Expected ' ', '-' or '+' first")
    if mark != "+":
        hunk.old.append(text)
    if mark != "-":
        hunk.new.append(text)


def _apply(change: FileChange, before: str | None, after: dict[str, str | None]) -> None:
    if change.text is not None:
        after[change.path] = change.text
        return
    if before is None:
        raise _Bad(f"Failed to {'delete file' if change.delete else 'read file to update'} {change.path}")
    if change.delete:
        after[change.path] = None
        return
    text = _updated(before, change)
    if change.moved_to and change.moved_to != change.path:
        after[change.path] = None
    after[change.moved_to or change.path] = text


def _updated(before: str, change: FileChange) -> str:
    lines = before.split("\n")
    if lines[-1] == "":
        lines.pop()
    replacements: list[tuple[int, int, list[str]]] = []
    place = 0
    for hunk in change.hunks:
        if hunk.context is not None:
            found = _seek(lines, [hunk.context], place, at_end=False)
            if found is None:
                raise _Bad(f"Failed to find context '{hunk.context}' in {change.path}")
            place = found + 1
        if not hunk.old:
            replacements += [(len(lines), 0, hunk.new)] if hunk.new else []
            continue
        start, old, new = _located(lines, hunk, place, change.path)
        replacements.append((start, len(old), new))
        place = start + len(old)
    for start, count, new in sorted(replacements, key=lambda one: one[0], reverse=True):
        lines[start : start + count] = new
    return "".join(f"{line}\n" for line in lines)


def _located(lines: list[str], hunk: Hunk, place: int, path: str) -> tuple[int, list[str], list[str]]:
    """Where a hunk's old lines stand, these, and the new ones; an empty last line may be the file's end."""
    old, new = hunk.old, hunk.new
    start = _seek(lines, old, place, at_end=hunk.at_end)
    if start is None and old[-1] == "":
        old, new = old[:-1], new[:-1] if new[-1:] == [""] else new
        start = _seek(lines, old, place, at_end=hunk.at_end)
    if start is None:
        raise _Bad(f"Failed to find expected lines in {path}:\n" + "\n".join(hunk.old))
    return start, old, new


def _seek(lines: list[str], wanted: list[str], start: int, *, at_end: bool) -> int | None:
    if not wanted:
        return start
    last = len(lines) - len(wanted)
    for reading in _READINGS:
        pattern = [reading(line) for line in wanted]
        for place in range(last if at_end else start, last + 1):
            if [reading(line) for line in lines[place : place + len(wanted)]] == pattern:
                return place
    return None
