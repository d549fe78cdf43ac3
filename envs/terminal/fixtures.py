"""Archives that origins name: found in the source `fixtures`, and nowhere else.

Owns: names to files, their digests, and where an archive goes. Does not own: unpacking (`envs.sandbox`).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources

SOURCE = "fixtures"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def fixture_path(name: str) -> Path:
    """The file of a fixture.

    Raises:
        InputError: If the name could lead out of the source.
        MissingDependency: If the source is not configured.
        NotFound: If it has no such file.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputError(f"fixture: expected a file's name of letters, digits, '.', '_' and '-', got {name[:120]!r}")
    place = sources.path(SOURCE) / name
    if not place.is_file():
        raise NotFound(f"fixture: the source {SOURCE!r} has no file called {name!r}")
    return place


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content, hex; remembered for as long as size and time of change stay."""
    known = path.stat()
    return _digest(path, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpacked_in(origin: Origin, archive: Path, placed: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The folder in which an archive is unpacked, and the folders that come to be there.

    Args:
        origin: For messages.
        archive: The file.
        placed: Folder inside by member of the archive; empty to unpack all of it at `/`.

    Raises:
        InputError: If the members do not all go to one place under their own names.
    """
    known = archive.stat()
    tops = _tops(archive, known.st_size, known.st_mtime_ns)
    if not placed:
        return "/", tuple("/" + name for name in tops)
    parents = set()
    for folder, member in placed.items():
        name = posixpath.normpath(member) if isinstance(member, str) else ""
        if not folder.endswith("/" + name) or name.startswith(("/", "..")):
            raise InputError(
                f"origin of kind {origin.kind!r}: unpack_at: expected a folder that ends with its member's name, got "
                f"{folder!r} for {member!r}"
            )
        if name.split("/")[0] not in tops:
            raise InputError(
                f"origin of kind {origin.kind!r}: unpack_at: expected a member of {archive.name!r}, which has "
                f"{list(tops)[:10]}, got {member!r}"
            )
        parents.add(folder[: -len(name)].rstrip("/") or "/")
    if len(parents) != 1:
        raise InputError(
            f"origin of kind {origin.kind!r}: unpack_at: expected one place for all, got {sorted(parents)}"
        )
    return parents.pop(), tuple(sorted(placed))


@lru_cache(maxsize=4096)
def _tops(archive: Path, size: int, changed_ns: int) -> tuple[str, ...]:
    try:
        with tarfile.open(archive) as members:
            names = {posixpath.normpath(member.name).split("/")[0] for member in members}
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"fixture {archive.name!r}: expected a tar archive, it cannot be read: {error}") from error
    return tuple(sorted(names - {"", ".", ".."}))
