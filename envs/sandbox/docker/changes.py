"""What a container changed, read from outside: the engine's list of paths, with entries from archives of both sides.

Owns: container and a container of its image -> `Changes`. Does not own: running anything; nothing inside is asked.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pivotgym.core.errors import NotFound, WorldFailed
from pivotgym.envs.sandbox.contract import Change, Changes, Entry
from pivotgym.envs.sandbox.docker import archives
from pivotgym.envs.sandbox.docker.engine import calls, client
from pivotgym.envs.sandbox.store.changes import changes_of as store_changes
from pivotgym.envs.sandbox.store.ids import Ids

Tree = dict[str, Entry]
MODIFIED = 0
_NOTHING = ("not a directory", "too many links", "file name too long")
"""What engines say of a path at which nothing can be."""
_LONGEST_LINE = 4096
_GO_LINK, _GO_FOLDER = 1 << 27, 1 << 31


def changes_of(container: str, before: Callable[[], str]) -> Changes:
    """Net changes of a container against its image.

    Args:
        container: Its id.
        before: Gives the id of an untouched container of the same image; called only when there is something to see.
    """
    local = _local(container)
    if local is not None:
        return store_changes(*local, Ids())
    with calls("reading changes"):
        listed = client().diff(container) or []
    if not listed:
        return {}
    reference = before()
    was, now = Tree(), Tree()
    covered = ""
    for item in sorted(listed, key=lambda item: str(item["Path"])):
        path, kind = str(item["Path"]), item["Kind"]
        if covered and path.startswith(covered + "/"):
            continue
        found = tree(container, path, whole=kind != MODIFIED)
        known = tree(reference, path, whole=kind != MODIFIED or _turned(found.get(path)))
        was.update(known)
        now.update(found)
        # A folder that came or went was read with all that is in it.
        covered = path if kind != MODIFIED or _turned(found.get(path)) != _turned(known.get(path)) else ""
    return net(was, now)


def _local(container: str) -> tuple[Path, list[Path]] | None:
    """The overlay folders of a container, newest apart and the others oldest first, where this process can read them.

    The engine's own list leaves out a file that was written again with the same size within its time's second.
    """
    with calls("reading changes"):
        driver = client().inspect_container(container).get("GraphDriver") or {}
    if driver.get("Name") != "overlay2":
        return None
    upper = Path(driver["Data"]["UpperDir"])
    lowers = [Path(folder) for folder in reversed(driver["Data"]["LowerDir"].split(":"))]
    readable = all(folder.is_dir() and os.access(folder, os.R_OK | os.X_OK) for folder in (upper, *lowers))
    return (upper, lowers) if readable and os.geteuid() == 0 else None


def _turned(entry: Entry | None) -> bool:
    """Whether there is no folder, so that one which was there before went with all that was in it."""
    return entry is None or entry.kind != "dir"


def net(was: Tree, now: Tree) -> Changes:
    """The paths whose entries differ, sorted."""
    differing = sorted(path for path in was.keys() | now.keys() if was.get(path) != now.get(path))
    return {path: Change(was.get(path), now.get(path)) for path in differing}


def tree(container: str, path: str, *, whole: bool) -> Tree:
    """Entries at and below a path; nothing where it does not exist.

    Args:
        container: Its id; it need not run.
        path: Absolute.
        whole: Read what is below a folder too.
    """
    try:
        with calls("reading files"), closing(_Archive(container, path)) as chunks:
            found = Tree()
            for inside, entry in archives.entries(chunks, path):
                found[inside] = entry
                if not whole:
                    break
            return found
    except NotFound:
        return {}


class _Archive(Iterable[bytes]):
    """A streamed archive of one path. Closing it early drops the connection instead of reading what is left."""

    def __init__(self, container: str, path: str) -> None:
        api = client()
        self._response = api._get(api._url("/containers/{0}/archive", container), params={"path": path}, stream=True)
        api._raise_for_status(self._response)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_content(1 << 16)

    def close(self) -> None:
        self._response.close()


def read_file(container: str, path: str) -> bytes | None:
    """A regular file's content, links followed inside; `None` where there is none.

    Args:
        container: Its id; it need not run.
        path: Absolute.
    """
    target = follow(container, path)
    if target is None:
        return None
    try:
        with (
            calls("reading a file"),
            closing(_Archive(container, target)) as chunks,
            archives.opened(chunks) as archive,
        ):
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isreg() else None
            return None if content is None else content.read()
    except NotFound:
        return None


def follow(container: str, path: str) -> str | None:
    """Where a path leads inside when it is a link, else itself; `None` where nothing is."""
    said = _said(container, path)
    target = said.get("linkTarget") if said is not None and said["mode"] & _GO_LINK else path
    return None if said is None else str(target)


def is_folder(container: str, path: str) -> bool | None:
    """Whether a path, links followed, is a folder; `None` where nothing is."""
    target = follow(container, path)
    said = None if target is None else _said(container, target)
    return None if said is None else bool(said["mode"] & _GO_FOLDER)


def _said(container: str, path: str) -> dict[str, Any] | None:
    """The engine's own words on a path (Go's file modes; a link's target is resolved within the container)."""
    api = client()
    answer = api.head(api._url("/containers/{0}/archive", container), params={"path": path}, timeout=api.timeout)
    if answer.status_code != 200:
        _check_nothing(container, path)
        return None
    said: dict[str, Any] = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    return said


def _check_nothing(container: str, path: str) -> None:
    """Ask why the engine says nothing of a path: only its answer to GET has a text.

    Raises:
        WorldFailed: If it is not that nothing can be there.
    """
    try:
        with calls("looking at a file"):
            _Archive(container, path).close()
    except NotFound:
        return
    except WorldFailed as error:
        if not any(reason in error.message for reason in _NOTHING):
            raise


def command_lines(container: str) -> list[tuple[int, int, str]]:
    """Pid, parent's pid (both of the engine's host) and command line of each process of a container."""
    with calls("listing processes"):
        listed: dict[str, Any] = client().top(container, "-eo pid,ppid,args")
    return [(int(pid), int(parent), line[:_LONGEST_LINE]) for pid, parent, line in listed.get("Processes") or ()]
