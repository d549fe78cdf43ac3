"""Whether two operations are the same by their text, where there is no repository to run them in.

Owns: the rule, operation by operation. Does not own: effects (`verifiers.swe`), or the bash that is no operation
(`verifiers.shell.rule`).

- Views: the same lines of the same files, to the line. Searches: the same pattern in the same places with the same
  options; how lines are shown does not count. Lists: the same names in the same folders.
- Edits: the same text put in the same place: one edit's old text is part of the other's, and what it makes of it is
  what the other makes. New texts of the same old one may differ in what Python's parser does not see.
- Test runs: the same tests and the same options, by the same runner.
- Handing in: the same command where its output is what is handed in; messages do not count.
- Other commands: the terminal's rule. Calls that no table knows: the same name and arguments.
"""

from __future__ import annotations

import posixpath
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from pivotgym.verifiers.code.operations import (
    EDITS,
    READS,
    Create,
    Find,
    Insert,
    Operation,
    Patch,
    Replace,
    ReplaceLines,
    RunTests,
    Search,
    Shell,
    Submit,
    Think,
    Undo,
    View,
)
from pivotgym.verifiers.code.patches import FileChange, Hunk, Refused, read_patch
from pivotgym.verifiers.code.paths import plain, same_path
from pivotgym.verifiers.code.syntax import same_syntax
from pivotgym.verifiers.shell.rule import same_commands

_SPECIAL = frozenset(".[]*^$\\+?{}()|")
_LONGEST = 20_000
"""Characters of a part of a file that is parsed; longer ones are compared as text."""
_MOST_PATHS = 100
"""Paths that are compared pair by pair, as they are written in other ways."""
_SHOWN_ONLY = {"tracked", "numbered"}
"""Flags that leave out what is in no repository, or say how lines were numbered."""


def same_operations(expert: Sequence[Operation], candidate: Sequence[Operation], root: str | None = None) -> bool:
    """Whether two actions do the same; reads in any order, everything else in the same one, thoughts aside."""
    ours = [one for one in expert if not isinstance(one, Think)]
    theirs = [one for one in candidate if not isinstance(one, Think)]
    if not ours:
        return not theirs and len(candidate) > 0
    if len(ours) != len(theirs):
        return False
    if not all(isinstance(one, READS) for one in ours):
        return all(same_operation(due, given, root) for due, given in zip(ours, theirs, strict=True))
    for due in ours:
        place = next((place for place, given in enumerate(theirs) if same_operation(due, given, root)), None)
        if place is None:
            return False
        theirs.pop(place)
    return True


def same_operation(expert: Operation, candidate: Operation, root: str | None = None) -> bool:
    """Whether two operations do the same by their text.

    >>> same_operation(View(("a.py",)), View(("./a.py",), ((1, None),), ("tab",)))
    True
    """
    if isinstance(expert, Submit):
        return isinstance(candidate, Submit) and same_commands([expert.command], [candidate.command])
    if expert == candidate:
        return True
    if isinstance(expert, EDITS) and isinstance(candidate, EDITS):
        return _same_edits(expert, candidate, root)
    if type(expert) is not type(candidate):
        return False
    rules: dict[type, Callable[..., bool]] = {
        View: _same_views,
        Search: _same_searches,
        Find: _same_lists,
        RunTests: _same_tests,
        Shell: _same_commands,
    }
    rule = rules.get(type(expert))
    return rule is not None and rule(expert, candidate, root)


def _same_paths(ours: Iterable[str], theirs: Iterable[str], root: str | None) -> bool:
    due, given = (Counter(plain(path, root) for path in paths) for paths in (ours, theirs))
    left = list((given - due).elements())
    if len(left) > _MOST_PATHS:
        return False
    for path in (due - given).elements():
        place = next((place for place, other in enumerate(left) if same_path(path, other, root)), None)
        if place is None:
            return False
        left.pop(place)
    return not left


def _same_views(expert: View, candidate: View, root: str | None) -> bool:
    return expert.spans == candidate.spans and _same_paths(expert.paths, candidate.paths, root)


def _same_searches(expert: Search, candidate: Search, root: str | None) -> bool:
    if expert.recursive != candidate.recursive and not all(map(_a_file, (*expert.where, *candidate.where))):
        return False
    ours, theirs = (
        replace(
            search,
            syntax="fixed" if not _SPECIAL & set(search.pattern) else search.syntax,
            where=(),
            recursive=False,
            flags=tuple(flag for flag in search.flags if flag not in _SHOWN_ONLY),
            shown=(),
        )
        for search in (expert, candidate)
    )
    return ours == theirs and _same_paths(expert.where or (".",), candidate.where or (".",), root)


def _a_file(path: str) -> bool:
    """Whether a path is a file's by its name: searching through it or in it is one."""
    return "." in posixpath.basename(path).strip(".")


def _same_lists(expert: Find, candidate: Find, root: str | None) -> bool:
    ours, theirs = (
        replace(
            find,
            where=(),
            type="" if find.type == "f" and all("." in name for name in find.names) and find.names else find.type,
            flags=tuple(flag for flag in find.flags if flag not in ("marks", *(["hidden"] if find.names else []))),
        )
        for find in (expert, candidate)
    )
    return ours == theirs and _same_paths(expert.where or (".",), candidate.where or (".",), root)


def _same_tests(expert: RunTests, candidate: RunTests, root: str | None) -> bool:
    same = (expert.runner, expert.options) == (candidate.runner, candidate.options)
    return same and _same_paths(expert.selection, candidate.selection, root)


def _same_commands(expert: Shell, candidate: Shell, root: str | None) -> bool:
    return same_commands([expert.command], [candidate.command])


def _same_edits(expert: Operation, candidate: Operation, root: str | None) -> bool:
    if isinstance(expert, Patch) and isinstance(candidate, Patch):
        return _same_patches(expert, candidate, root)
    if isinstance(expert, Patch) or isinstance(candidate, Patch):
        return False
    assert isinstance(expert, EDITS)
    assert isinstance(candidate, EDITS)
    if not same_path(expert.path, candidate.path, root):
        return False
    if isinstance(expert, Replace) and isinstance(candidate, Replace):
        if expert.every != candidate.every:
            return False
        return same_replacement(
            expert.path, (expert.old, expert.new), (candidate.old, candidate.new), every=expert.every
        )
    if isinstance(expert, Create) and isinstance(candidate, Create):
        return expert.text.rstrip() == candidate.text.rstrip() or _same_code(expert.path, expert.text, candidate.text)
    if isinstance(expert, Insert | ReplaceLines) and type(expert) is type(candidate):
        where = [(one.after,) if isinstance(one, Insert) else (one.first, one.last) for one in (expert, candidate)]
        return where[0] == where[1] and _same_fragment(expert.path, expert.text, candidate.text)
    return isinstance(expert, Undo) and isinstance(candidate, Undo)


def same_replacement(path: str, expert: tuple[str, str], candidate: tuple[str, str], *, every: bool = False) -> bool:
    """Whether two replacements of an (old, new) text, each of one place in the file, have the same result.

    If one old text is part of the other, both are at the one place where the shorter stands, so it is enough that the
    longer's new text is what the shorter makes of it.
    """
    results = expert[1], candidate[1]
    if expert[0] != candidate[0]:
        narrow, wide = sorted((expert, candidate), key=lambda pair: len(pair[0]))
        if every or not narrow[0] or wide[0].count(narrow[0]) != 1:
            return False
        results = wide[0].replace(narrow[0], narrow[1]), wide[1]
    # What the parser does not see of the expert's own change, it can't judge.
    return results[0] == results[1] or (not _same_code(path, *expert) and _same_code(path, *results))


def _same_fragment(path: str, one: str, other: str) -> bool:
    """Whether two texts in the same place of a file are the same, for Python up to what its parser does not see."""
    return one == other or (_same_code(path, one, other) and not _same_code(path, one, ""))


def _same_code(path: str, one: str, other: str) -> bool:
    """Whether two parts of a Python file have the same syntax tree, at the same depth."""
    if (
        not path.endswith(".py")
        or max(len(one), len(other)) > _LONGEST
        or (one.strip() and other.strip() and _indent(one) != _indent(other))
    ):
        return False
    return any(same_syntax(path, frame(one), frame(other)) is True for frame in _FRAMES)


_COMMENT = re.compile(r"\s*#[^'\"]*\Z")


def _block(text: str) -> str:
    """The text with a body, where it ends with the head of a block."""
    lines = [line for line in textwrap.dedent(text).splitlines() if line.strip()]
    last = _COMMENT.sub("", lines[-1]) if lines else ""
    body = f"{' ' * (len(last) - len(last.lstrip()) + 1)}pass\n" if last.rstrip().endswith(":") else ""
    return "".join(f"{line}\n" for line in lines) + body


_FRAMES: tuple[Callable[[str], str], ...] = (
    _block,
    lambda text: f"if True:\n pass\n{_block(text)}",
    lambda text: f"try:\n pass\n{_block(text)}",
)
"""Ways in which a part of a file may be complete: by itself, as a branch, as a handler."""


def _indent(text: str) -> int:
    """Spaces before the least indented line."""
    return min((len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()), default=0)


def _same_patches(expert: Patch, candidate: Patch, root: str | None) -> bool:
    ours, theirs = read_patch(expert.text), read_patch(candidate.text)
    if isinstance(ours, Refused) or isinstance(theirs, Refused) or len(ours) != len(theirs):
        return False
    theirs = list(theirs)
    for due in ours:
        place = next((place for place, given in enumerate(theirs) if _same_change(due, given, root)), None)
        if place is None:
            return False
        theirs.pop(place)
    return True


def _same_change(expert: FileChange, candidate: FileChange, root: str | None) -> bool:
    if not same_path(expert.path, candidate.path, root) or expert.delete != candidate.delete:
        return False
    if expert.moved_to != candidate.moved_to or len(expert.hunks) != len(candidate.hunks):
        return False
    if expert.text is not None and candidate.text is not None:
        return _same_fragment(expert.path, expert.text, candidate.text)
    pairs = zip(expert.hunks, candidate.hunks, strict=True)
    return expert.text == candidate.text and all(_same_hunks(expert.path, due, given) for due, given in pairs)


def _same_hunks(path: str, expert: Hunk, candidate: Hunk) -> bool:
    """Whether two hunks of a file do the same; what they add to no line is added where their `@@` says."""
    named = (expert.context, candidate.context)
    if named[0] != named[1] and (None not in named or not expert.old or not candidate.old):
        return False
    ours, theirs = ((_joined(hunk.old), _joined(hunk.new)) for hunk in (expert, candidate))
    return same_replacement(path, ours, theirs)


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def kinds_shared(expert: Sequence[Operation], candidate: Sequence[Operation]) -> float:
    """Share of operations in common by their kind, counted; 1.0 where there are none."""
    ours, theirs = Counter(one.kind for one in expert), Counter(one.kind for one in candidate)
    most = max(ours.total(), theirs.total())
    return (ours & theirs).total() / most if most else 1.0
