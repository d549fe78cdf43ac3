"""Changed files: what two actions left of the same tree, as far as it counts.

Owns: which paths count, when two entries are the same, repositories by what they hold, and archives by their members.
Does not own: reading changes from a machine (`envs.sandbox`), or files that differ between two runs of one action
(`verifiers.shell.unstable`).

Changes are `{path: {"before": entry or None, "after": entry or None}}`, each entry with `kind`, `mode`, `size`,
`digest`, `owner` ("uid:gid", left out for root), `text` for small text files, and for archives `archive`: {"container":
"tar+gzip", "members": [[name, kind, mode, digest or link target], ...]}. Times never count.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
Changes = Mapping[str, Mapping[str, Any]]

BYPRODUCTS: Mapping[str, str] = {
    r"/__pycache__(/|$)|\.py[co]$": "compiled by Python whenever it imports",
    r"/\.(pytest|mypy|ruff)_cache(/|$)|/\.hypothesis(/|$)|/\.tox(/|$)": "caches of development tools",
    r"/\.cache(/|$)|/node_modules/\.cache(/|$)|/\.npm/_(cacache|logs)(/|$)": "caches of programs",
    r"^/var/cache(/|$)|^/var/lib/apt/lists(/|$)": "caches of the system",
    r"/\.(bash|python|node_repl|sqlite|psql|mysql|rediscli)_history$|/\.(lesshst|viminfo|wget-hsts)$": "histories",
    r"/\.[^/]+\.sw[a-p]$": "swap files of editors",
    r"^/(proc|sys|dev|run)(/|$)|^/var/run(/|$)": "not part of a tree that is kept",
    r"/nohup\.out$": "what a program in the background wrote so far",
}
"""Paths that never count, with the reason."""
SCRATCH: Mapping[str, str] = {
    r"^/tmp(/|$)|^/var/tmp(/|$)": "where intermediate files lie",
}
"""Paths that count only for an action that changed nothing else and shows nothing: then they are all it does."""
_BYPRODUCT = re.compile("|".join(f"(?:{pattern})" for pattern in BYPRODUCTS))
_SCRATCH = re.compile("|".join(f"(?:{pattern})" for pattern in SCRATCH))


def counted(changes: Changes, roots: Sequence[str], repositories: Iterable[str] = ()) -> dict[str, Mapping[str, Any]]:
    """The changes that count, scratch files included: those in the roots that are no byproducts.

    Args:
        changes: All changes by absolute path.
        roots: Folders that count.
        repositories: Folders of repositories, whose `.git` is compared by what it holds instead.
    """
    bare = [path if path.endswith(".git") else posixpath.join(path, ".git") for path in repositories]
    return {
        path: change
        for path, change in changes.items()
        if any(_within(path, root) for root in roots)
        and not _BYPRODUCT.search(path)
        and not any(_within(path, folder) for folder in bare)
        and not same_entry(change.get("before"), change.get("after"))
    }


def scratch(path: str, roots: Sequence[str]) -> bool:
    """Whether a path is a place for intermediate files; none is within a root that is itself such a place."""
    return bool(_SCRATCH.search(path)) and not any(_SCRATCH.search(root) and _within(path, root) for root in roots)


def different_paths(expert: Changes, candidate: Changes) -> list[str]:
    """The paths that the two left in other states, sorted; a path that one did not change is as it was before."""
    found = []
    for path in sorted(expert.keys() | candidate.keys()):
        ours, theirs = expert.get(path), candidate.get(path)
        before = (ours or theirs or {}).get("before")
        after = [before if change is None else change.get("after") for change in (ours, theirs)]
        if not same_entry(*after):
            found.append(path)
    return found


def same_entry(one: Entry | None, other: Entry | None) -> bool:
    """Whether two entries are the same but for times."""
    if one is None or other is None:
        return one is other
    if _frame(one) != _frame(other):
        return False
    if one.get("digest", "") == other.get("digest", ""):
        return True
    return same_archive(one.get("archive"), other.get("archive"))


def same_frame(one: Entry | None, other: Entry | None) -> bool:
    """Whether two entries are the same but for times and content."""
    if one is None or other is None:
        return one is other
    return _frame(one) == _frame(other)


def same_archive(one: Any, other: Any) -> bool:
    """Whether two archives hold the same members, in whatever order, packed the same way."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return False
    members = [sorted(map(repr, archive.get("members") or ())) for archive in (one, other)]
    return one.get("container") == other.get("container") and members[0] == members[1]


def describe(path: str, change: Mapping[str, Any] | None) -> str:
    """What happened to a path, in a few words."""
    if change is None:
        return f"{path} as it was"
    before, after = change.get("before"), change.get("after")
    if after is None:
        return f"{path} deleted"
    return f"{path} {'made' if before is None else 'changed'} ({after.get('kind')}, {after.get('mode', 0):04o})"


def different_repositories(expert: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    """The repositories that the two left with other commits, references, index or settings.

    An entry may have `before`, the same of the state before; one that is equal to it is no change.
    """
    left = [{path: entry for path, entry in one.items() if not _as_before(entry)} for one in (expert, candidate)]
    return sorted(
        path for path in left[0].keys() | left[1].keys() if _holds(left[0].get(path)) != _holds(left[1].get(path))
    )


def _holds(entry: Any) -> Any:
    return {key: value for key, value in entry.items() if key != "before"} if isinstance(entry, Mapping) else entry


def _as_before(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "before" in entry and entry["before"] == _holds(entry)


def _frame(entry: Entry) -> tuple[Any, ...]:
    return entry.get("kind"), entry.get("mode", 0), entry.get("owner")


def _within(path: str, root: str) -> bool:
    root = root.rstrip("/")
    return not root or path == root or path.startswith(root + "/")
