"""Net changes: what an overlay's upper folder says against the layers below it, without mounting anything.

Owns: reading them (`changes_of`), joining those of layer over layer (`merged`), their JSON, and the digest of a
machine's state (`digest_of`). Does not own: what of them counts for a verdict (`verifiers/`).

A file that was written again with what it held, a folder that only got a new time, and a file that came and went are no
changes. The root folder itself is not looked at: it belongs to whoever mounts.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path
from typing import Any, Literal

from pivotgym.core.canonical import digest
from pivotgym.envs.sandbox.contract import Change, Changes, Entry, ShellState
from pivotgym.envs.sandbox.store.bulk import Bulk
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.trees import Tree, entry_of, is_opaque, is_whiteout, names_in, status_of

_Found = tuple[int, os.stat_result]
"""A folder's descriptor and what stands in it under the name that was asked for."""
_Above = Literal["merged", "alone", "nothing"]
"""What the upper has of a folder: a part, all of it (it or one above it is opaque), or no such folder."""


def changes_of(upper: str | Path, lowers: Sequence[str | Path], ids: Ids) -> Changes:
    """What an upper folder changes.

    Args:
        upper: The overlay's upper folder. It may be in use; what changes meanwhile may or may not be seen.
        lowers: The trees below it, the base first, as in `Snapshot.layers`.
        ids: Owners, as seen by the calling process.

    Raises:
        WorldFailed: If there is too much to look at, see `Bulk`.
        OSError: If a folder cannot be read; it takes the rights of root inside the sandbox's user namespace.
    """
    with ExitStack() as stack:
        trees = [stack.enter_context(Tree(root)) for root in reversed(lowers)]
        return _Reading(stack.enter_context(Tree(upper)), trees, ids).all()


class _Reading:
    """One pass over an upper folder; `lowers` from the newest to the base."""

    def __init__(self, upper: Tree, lowers: list[Tree], ids: Ids) -> None:
        self._upper, self._lowers, self._ids = upper, lowers, ids
        self._changes: dict[str, Change] = {}
        self._bulk = Bulk()
        # A folder to read, the layers that may have a part of it, and what the upper has of it.
        self._pending: list[tuple[str, list[int], _Above]] = [("", list(range(len(lowers))), "merged")]

    def all(self) -> Changes:
        while self._pending:
            path, below, above = self._pending.pop()
            with ExitStack() as stack:
                self._folder(path, below, above, stack)
        return dict(sorted(self._changes.items()))

    def _folder(self, path: str, below: list[int], above: _Above, stack: ExitStack) -> None:
        parts = self._parts(path, below, stack)
        names: list[str] = []
        if above != "nothing":
            try:
                fd = stack.enter_context(self._upper.folder(path))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                return  # it went away while we looked at others
            names = names_in(fd)
            above = "alone" if is_opaque(fd) else above
            for name in names:
                self._name(f"{path}/{name}" if path else name, fd, name, parts, above)
        if above != "merged":
            for name in {name for _, part in parts for name in os.listdir(part)}.difference(names):
                self._differs(f"{path}/{name}" if path else name, name, None, *self._below(name, parts))

    def _parts(self, path: str, below: list[int], stack: ExitStack) -> list[tuple[int, int]]:
        """(number of the layer, descriptor) of the folder in each layer that shows through, newest first."""
        parts = []
        for number in below:
            fd = stack.enter_context(self._lowers[number].folder(path))
            parts.append((number, fd))
            if is_opaque(fd):
                break
        return parts

    def _below(self, name: str, parts: list[tuple[int, int]]) -> tuple[_Found | None, list[int]]:
        """What a name is without the upper, and the layers that have a part of it where it is a folder."""
        found: _Found | None = None
        folders: list[int] = []
        for number, fd in parts:
            status = status_of(fd, name)
            if status is None:
                continue
            if is_whiteout(status):
                break
            if not stat.S_ISDIR(status.st_mode):
                return (found or (fd, status)), folders
            found = found or (fd, status)
            folders.append(number)
        return found, folders

    def _name(self, path: str, fd: int, name: str, parts: list[tuple[int, int]], above: _Above) -> None:
        status = status_of(fd, name)
        if status is None:
            return
        self._bulk.add(path, status)
        found, folders = self._below(name, parts)
        if is_whiteout(status):
            self._differs(path, name, None, found, folders)
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder:
            self._pending.append((path, folders, above))
        self._differs(path, name, (fd, status), found, [] if is_folder else folders)

    def _differs(self, path: str, name: str, now: _Found | None, was: _Found | None, gone: list[int]) -> None:
        """Note a path's change, and have the layers' folders in `gone` listed as removed."""
        before = entry_of(was[0], name, was[1], self._ids) if was else None
        after = entry_of(now[0], name, now[1], self._ids) if now else None
        if before != after:
            self._changes[f"/{path}"] = Change(before, after)
        if gone:
            self._pending.append((path, gone, "nothing"))


def merged(older: Changes, newer: Changes) -> Changes:
    """What two layers change together. A path that is again what it was before the older one drops out."""
    changes = dict(older)
    for path, change in newer.items():
        before = changes[path].before if path in changes else change.before
        if before == change.after:
            changes.pop(path, None)
        else:
            changes[path] = Change(before, change.after)
    return dict(sorted(changes.items()))


def digest_of(base: str, changes: Changes, shell: ShellState) -> str:
    """The digest of a machine: `Snapshot.digest`.

    Args:
        base: The base's identity.
        changes: All changes against the base, see `merged`.
        shell: The shell's state.
    """
    state = [shell.cwd, shell.umask, dict(shell.environment), shell.definitions]
    return digest({"base": base, "changes": to_json(changes), "shell": state})


def to_json(changes: Changes) -> dict[str, Any]:
    """Plain JSON: path to [before, after], an entry as a list of its fields."""
    return {
        path: [change.before and list(astuple(change.before)), change.after and list(astuple(change.after))]
        for path, change in changes.items()
    }


def from_json(value: Mapping[str, Any]) -> Changes:
    """The changes that `to_json` wrote.

    Raises:
        TypeError: If it is something else.
        ValueError: Likewise.
    """
    return {path: Change(before and Entry(*before), after and Entry(*after)) for path, (before, after) in value.items()}
