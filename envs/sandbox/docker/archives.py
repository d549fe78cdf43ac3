"""Tar archives, the form in which a container engine takes and gives files.

Owns: reading entries out of an archive that streams, and packing what a base is made of. Does not own: requests.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from pivotgym.core.errors import InputError
from pivotgym.envs.sandbox.contract import Entry

_BLOCK = 1 << 20
_IN_MEMORY = 16 << 20


class Stream(io.RawIOBase):
    """A readable over an iterator of bytes, as the engine's client gives them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase.readinto`."""
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return 0
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


def opened(chunks: Iterable[bytes]) -> tarfile.TarFile:
    """An archive read as it comes."""
    buffered: Any = io.BufferedReader(Stream(chunks), _BLOCK)
    return tarfile.open(fileobj=buffered, mode="r|", errors="surrogateescape")


def entries(chunks: Iterable[bytes], at: str) -> Iterator[tuple[str, Entry]]:
    """The entries of an archive of one path, as the engine gives it.

    Args:
        chunks: The archive.
        at: The absolute path it was asked for; member names begin with its last part.

    Yields:
        Absolute path and entry, in the archive's order.
    """
    folder = posixpath.dirname(at)
    digests: dict[str, Entry] = {}
    with opened(chunks) as archive:
        for member in archive:
            path = posixpath.normpath(posixpath.join(folder, member.name))
            entry = _entry(archive, member)
            if member.islnk():
                entry = digests.get(posixpath.normpath(member.linkname), entry)
            elif member.isreg():
                digests[posixpath.normpath(member.name)] = entry
            yield path, entry


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    mode, uid, gid = member.mode & 0o7777, member.uid, member.gid
    if member.isdir():
        return Entry("dir", mode, uid, gid)
    if member.issym():
        return Entry("link", 0, uid, gid, digest=member.linkname)
    if member.isfifo():
        return Entry("fifo", mode, uid, gid)
    if member.isdev():
        return Entry("device", mode, uid, gid, digest=f"{member.devmajor}:{member.devminor}")
    content = archive.extractfile(member) if member.isreg() else None
    return Entry("file", mode, uid, gid, member.size, _digest(content))


def _digest(content: IO[bytes] | None) -> str:
    digest = hashlib.sha256()
    while content is not None and (block := content.read(_BLOCK)):
        digest.update(block)
    return digest.hexdigest()


def pack_file(path: str, content: bytes, mode: int) -> bytes:
    """An archive for unpacking at `/` that holds one file owned by root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", errors="surrogateescape") as archive:
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode, member.mtime = len(content), mode, int(time.time())
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def repack(source: Path, folder: str) -> IO[bytes]:
    """An archive for unpacking at `/` that puts another archive's members into a folder.

    Raises:
        InputError: If it is no archive, or a member would leave the folder.
    """
    packed = _spool()
    try:
        with tarfile.open(source, errors="surrogateescape") as old, _writer(packed) as new:
            for member in old:
                inside = posixpath.normpath(member.name.lstrip("/"))
                if inside.split("/")[0] == "..":
                    raise InputError(f"archive {source.name}: member {member.name!r} leaves the folder {folder}")
                content = old.extractfile(member) if member.isreg() else None
                member.name = posixpath.normpath(posixpath.join(folder, inside)).lstrip("/")
                if member.islnk():
                    member.linkname = posixpath.normpath(posixpath.join(folder, member.linkname)).lstrip("/")
                if member.name:
                    new.addfile(member, content)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"archive {source.name}: expected a tar archive, got: {error}") from error
    packed.seek(0)
    return packed


def pack_folder(source: Path, folder: str) -> IO[bytes]:
    """An archive for unpacking at `/` that puts a folder's tree at another path. Everything is owned by root."""
    packed = _spool()

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member if member.name else None

    with _writer(packed) as archive:
        archive.add(source, arcname=folder.strip("/"), filter=owned)
    packed.seek(0)
    return packed


def _spool() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)


def _writer(packed: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape")
