"""The commit that a run began at, where only its patch is known.

A patch names the blobs it changes (`index 27756d9d96..b40ad806ed`). The commits that hold these blobs are those between
the one that brought them and the one that replaced them; the last of them is taken: runs begin right before the commit
that mended the issue. Where a merge names the pull request, it is what the main branch was when that request began. The
commit that holds most of the blobs counts: images change some files (pinned requirements) before a run begins.

Owns: finding that commit in a repository. Does not own: reading patches (`core.readers.chat`), `mirrors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pivotgym.core.errors import InputError, NotFound
from pivotgym.envs.swe.mirrors import git

_BLOB = re.compile(r"[0-9a-f]{7,40}")


class _Touch(NamedTuple):
    """A commit that changed a file: its id, first parent, time, message, and the file's blobs before and after."""

    commit: str
    parent: str
    seconds: int
    said: str
    before: str
    after: str


def base_commit(repository: Path, blobs: Mapping[str, str], *, number: str = "") -> str:
    """The full id of the commit that a run began at.

    Args:
        repository: A git directory.
        blobs: Ids, possibly abbreviated, of blobs by path, as the `index` lines of a patch name them.
        number: The number of the pull request that mended the issue, where it is known: it decides where the blobs
            were replaced more than once.

    Raises:
        InputError: If an id is none, or there is none at all.
        NotFound: If no commit holds one of them.
    """
    if not blobs or not all(_BLOB.fullmatch(blob) for blob in blobs.values()):
        raise InputError(f"blobs: expected ids of 7 to 40 hexadecimal digits by path, got {str(dict(blobs))[:120]}")
    return _found(repository, tuple(sorted(blobs.items())), number)


@lru_cache(maxsize=1024)
def _found(repository: Path, blobs: tuple[tuple[str, str], ...], number: str) -> str:
    before_merge = _merged(repository, number) if number else ""
    if before_merge and all(_blob_at(repository, before_merge, path).startswith(blob) for path, blob in blobs):
        return before_merge
    held = {commit: 0 for path, blob in blobs for commit in _holding(repository, path, blob, number)}
    for commit in held:
        held[commit] = sum(_blob_at(repository, commit, path).startswith(blob) for path, blob in blobs)
        if held[commit] == len(blobs):
            return commit
    if held:
        return max(held, key=lambda commit: held[commit])
    named = ", ".join(f"{name} {wanted}" for name, wanted in blobs)
    raise NotFound(
        f"blobs: no commit of the repository holds {named[:300]}", hint="its mirror may be older, or shallow"
    )


def _holding(repository: Path, path: str, blob: str, number: str) -> list[str]:
    """Commits that hold a blob: those right before it was replaced (by number, then by time), then what brought it."""
    touches = _touches(repository, path)
    replaced = [one for one in touches if one.before.startswith(blob) and one.parent]
    mentioned = re.compile(rf"#{re.escape(number)}\b")
    replaced.sort(key=lambda one: (not (number and mentioned.search(one.said)), one.seconds))
    brought = sorted((one for one in touches if one.after.startswith(blob)), key=lambda one: -one.seconds)
    return [*(one.parent for one in replaced), *(one.commit for one in brought)]


def _merged(repository: Path, number: str) -> str:
    """The tip of the branch that a pull request was merged into, when its first commit was made; "" if unknown."""
    words = ("--merges", f"--grep=^Merge pull request #{number} ", "--reverse", "--format=%H")
    merge = git(repository, "log", "--all", *words).decode().partition("\n")[0]
    if not merge:
        return ""
    first = git(repository, "log", "--reverse", "--format=%ct", f"{merge}^1..{merge}^2").decode().partition("\n")[0]
    tip = git(repository, "log", "-1", "--first-parent", f"--before={first}", "--format=%H", f"{merge}^1")
    return tip.decode().strip()


def _touches(repository: Path, path: str) -> list[_Touch]:
    """Every commit that changed a file, merges aside."""
    form = "--format=%x01%H %P%x00%ct%x00%s%x00"
    output = git(
        repository,
        "log",
        "--all",
        "--full-history",
        "--no-merges",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        form,
        "--",
        path,
    )
    found = []
    for record in output.decode("utf-8", "replace").split("\x01")[1:]:
        ids, seconds, said, changes = record.split("\0", 3)
        commit, _, parents = ids.partition(" ")
        for line in changes.splitlines():
            if line.startswith(":"):
                _, _, before, after, _ = line[1:].split(maxsplit=4)
                found.append(_Touch(commit, parents.partition(" ")[0], int(seconds), said, before, after))
    return found


def _blob_at(repository: Path, commit: str, path: str) -> str:
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", f"{commit}:{path}").decode().strip()
    except NotFound:
        return ""
