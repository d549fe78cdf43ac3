"""What an action reached: lines of files, names of files, whatever the output they are shown in looks like.

Owns: outputs of views, searches and lists -> `Line`s, and when two sets of lines are the same. Does not own: commands
(`verifiers.code.commands`), changes of files.

Numbering, prefixes, headers and notices of editors, empty lines, space at the ends of lines, the repository's root and
the order of lines are no part of what is reached. Where both sides know the file, or the number, of every line, these
must be the same too. A view of more lines than the expert's reaches other lines: the tolerance is empty lines, nothing
else, as a larger view would always pay. Output of which nothing is known but its text (`Shell`) is compared as text.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from pivotgym.verifiers.code.operations import Find, Operation, Prefix, Search, View
from pivotgym.verifiers.code.paths import plain

_HEADER = re.compile(
    r"Here's the (?:result of running `cat -n`|files and directories up to \d+ levels deep).*"
    r"|\[File: .* \(\d+ lines total\)\]|\(\d+ more lines (?:above|below)\)|</?(?:file|path|type|content|entries)>.*"
    r"|NOTE: .*|\(File has more lines.*|\(End of file.*|\d+ hidden files/directories in this directory are excluded.*"
    r"|<response clipped>.*|\(Results are truncated.*"
)
"""What editors say around the lines and names they show."""
_FOLDER = re.compile(r"Here's the files and directories up to \d+ levels deep")
_TAB = re.compile(r"\s*([0-9]{1,9})(?:\t|\| ?|→)(.*)", re.DOTALL)
_COLON = re.compile(r"([0-9]{1,9})[:-](.*)", re.DOTALL)
_MARKS = re.compile(r"[/*@=|>]$")


@dataclass(frozen=True)
class Line:
    """A line that was reached: its text, and its file and number where they are known."""

    text: str
    file: str | None = None
    number: int | None = None


def _behind_number(mark: str) -> Callable[[Line], str | None]:
    return lambda line: None if line.number is None else f"{line.number}{mark}{line.text}"


_NUMBERED = tuple(_behind_number(mark) for mark in (":", "\t", ": ", " ", "| ", " | "))
_FORMS: tuple[Callable[[Line], str | None], ...] = (
    lambda line: line.text or (line.file if line.number is None else ""),
    *_NUMBERED,
    lambda line: None if line.file is None else f"{line.file}:{line.text}",
    lambda line: None if line.file is None or line.number is None else f"{line.file}:{line.number}:{line.text}",
)
"""Ways in which commands show lines."""


def reached(operation: Operation, output: str, root: str | None = None) -> list[Line] | None:
    """The lines that an operation reached, by its output; `None` where only the text is known.

    Args:
        operation: What was done.
        output: What was shown, standard output only.
        root: The repository's folder.
    """
    if isinstance(operation, View):
        return _viewed(operation, output, root)
    if isinstance(operation, Search):
        return _searched(operation, output, root)
    if isinstance(operation, Find) and "long" not in operation.flags:
        return _found(operation, output, root)
    return None


def as_text(output: str, root: str | None = None) -> list[Line]:
    """The lines of an output of which nothing else is known; the root is left out wherever it stands."""
    base = f"{posixpath.normpath(root)}/" if root else ""
    lines = (line.rstrip() for line in output.splitlines())
    return [Line((line.replace(base, "") if base else line).removeprefix("./")) for line in lines if line]


def told_in(known: Sequence[Line], output: Sequence[Line]) -> bool:
    """Whether an output of which only the text is known tells the lines that were reached, in one form for all.

    Args:
        known: Lines that were reached.
        output: An output, as `as_text` gives it.
    """
    told = Counter(line.text.strip() for line in output)
    exact = Counter(line.text for line in output)
    for form in _FORMS:
        texts = [form(line) for line in known]
        if None in texts:
            continue
        shown = Counter(text.rstrip() for text in texts if text and text.strip())
        # A number may stand in a column, so the space before it is none of the line's.
        if shown and shown == (told if form in _NUMBERED else exact):
            return True
    return False


def same_lines(expert: Sequence[Line], candidate: Sequence[Line]) -> bool:
    """Whether two actions reached the same lines; order does not count, repetitions only among unnumbered lines."""
    keys = _common(expert, candidate)
    return Counter(keys[0]) == Counter(keys[1])


def overlap(expert: Sequence[Line], candidate: Sequence[Line]) -> float:
    """Share of the lines that both reached of all that one of them did; 1.0 where there are none."""
    ours, theirs = (Counter(keys) for keys in _common(expert, candidate))
    total = (ours | theirs).total()
    return (ours & theirs).total() / total if total else 1.0


def _common(expert: Sequence[Line], candidate: Sequence[Line]) -> tuple[list[Hashable], list[Hashable]]:
    """Both sides by what is known of every line of both."""
    both = [*expert, *candidate]
    named = all(line.file is not None for line in both)
    numbered = all(line.number is not None for line in both)
    sides: list[list[Hashable]] = []
    for side in (expert, candidate):
        keys: list[Hashable] = [
            (line.text.rstrip(), line.file if named else None, line.number if numbered else None)
            for line in side
            if line.text.strip() or (line.file is not None and line.number is None and named)
        ]
        sides.append(list(dict.fromkeys(keys)) if numbered else keys)
    return sides[0], sides[1]


def _viewed(view: View, output: str, root: str | None) -> list[Line]:
    if _FOLDER.match(output):
        return _found(Find(view.paths), output, root)
    file = plain(view.paths[0], root) if len(view.paths) == 1 else None
    texts = output.splitlines()
    if "tab" in view.shown:
        return [_numbered(text, file, view.shown) for text in texts if not _HEADER.fullmatch(text.strip())]
    numbers = _numbers(view, len(texts)) if file is not None else None
    return [Line(text, file, numbers[place] if numbers else None) for place, text in enumerate(texts)]


def _numbered(text: str, file: str | None, shown: Sequence[Prefix]) -> Line:
    """A line behind its prefixes; the innermost number is the file's."""
    number: int | None = None
    for prefix in shown:
        found = (_TAB if prefix == "tab" else _COLON).fullmatch(text) if prefix != "name" else None
        if found is not None:
            number, text = int(found[1]), found[2]
    return Line(text, file, number)


def _numbers(view: View, count: int) -> list[int] | None:
    """The numbers of lines shown without them, where the spans say so."""
    if any(first < 1 for first, _ in view.spans):
        return None
    numbers: list[int] = []
    for first, last in view.spans:
        end = first + count - len(numbers) - 1 if last is None else last
        numbers += range(first, min(end, first + count - len(numbers) - 1) + 1)
    return numbers if len(numbers) == count else None


def _searched(search: Search, output: str, root: str | None) -> list[Line]:
    only = plain(search.where[0], root) if len(search.where) == 1 else None
    texts = [text for text in output.splitlines() if text != "--" or not any(search.context)]
    if search.reports == "files":
        return [Line("", plain(text, root)) for text in texts if text.strip()]
    named = "name" in search.shown
    lines: list[Line] = []
    for text in texts:
        file = only
        if named:
            file, text = _split(text, search, only)
            file = plain(file, root) if file is not None else None
        if search.reports == "counts" and text.strip() == "0":
            continue
        rest: tuple[Prefix, ...] = tuple(prefix for prefix in search.shown if prefix != "name")
        # A search that filters a view has its own numbers before the file's.
        line = _numbered(text, file, rest)
        if line.text.strip():
            lines.append(line)
    return lines


def _split(text: str, search: Search, only: str | None) -> tuple[str | None, str]:
    """A line's file and the rest; the one file that was searched where the line names none."""
    if "colon" in search.shown:
        found = re.match(r"(.+?)([:-])(?=\d+\2)", text)
    elif any(search.context):
        found = re.match(r"(.+?\.\w+)[:-]", text)
    else:
        found = re.match(r"([^:\n]+):", text)
    if found is None:
        return only, text
    # `grep -r pattern file` shows no name: its lines are taken for named only where the name can be one it searched.
    single = only is not None and only != "." and "." in posixpath.basename(only)
    if single and only is not None and plain(found[1]) != only and not plain(found[1]).endswith(f"/{only}"):
        return only, text
    return found[1], text[found.end() :]


def _found(find: Find, output: str, root: str | None) -> list[Line]:
    names: list[str] = []
    folder = find.where[0] if len(find.where) == 1 else ""
    listing = "listing" in find.flags
    for text in output.splitlines():
        text = text.rstrip()
        if not text or _HEADER.fullmatch(text.strip()):
            continue
        if listing and text.endswith(":"):
            folder = text[:-1]
            continue
        name = _MARKS.sub("", text) if "marks" in find.flags else text
        names.append(posixpath.join(folder, name) if listing and name not in find.where else name)
    plainly = (plain(name, root) for name in names)
    return [Line("", name) for name in plainly if name != "."]
