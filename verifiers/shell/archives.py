"""What an archive holds, so that two that differ in times or packing alone are the same.

Owns: bytes -> the `archive` of a file's entry (see `verifiers.shell.files`), within limits. Does not own: reading files
(whoever runs an action has their content).
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

MOST_BYTES = 32 << 20
"""Unpacked, all members together; what is larger is not read."""
MOST_MEMBERS = 5_000
_PACKED: tuple[tuple[bytes, str, Callable[[io.BytesIO], Any]], ...] = (
    (b"\x1f\x8b", "gzip", gzip.open),
    (b"BZh", "bzip2", bz2.open),
    (b"\xfd7zXZ\0", "xz", lzma.open),
)
_BROKEN = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, lzma.LZMAError, zlib.error)
_BROKEN_ARCHIVE = (*_BROKEN, tarfile.TarError, zipfile.BadZipFile)


class _TooLarge(ValueError):
    """The archive holds more than is read."""


def archive_of(content: bytes) -> dict[str, Any] | None:
    """The container and the members of an archive, without times, owners and order; `None` for any other file.

    Returns:
        `container`: `tar`, `zip`, `gzip`, `bzip2`, `xz`, or `tar+gzip` and so on. `members`: [name, kind, mode, SHA-256
        of the content or a link's target], sorted. One file that is packed alone is a member without a name.
    """
    try:
        if content.startswith(b"PK\x03\x04"):
            return {"container": "zip", "members": sorted(_of_zip(content))}
        packing = next((one for one in _PACKED if content.startswith(one[0])), None)
        plain = content if packing is None else _limited(packing[2](io.BytesIO(content)).read)
    except _BROKEN_ARCHIVE:
        return None
    packed = "" if packing is None else packing[1]
    if plain[257:262] == b"ustar":
        try:
            return {"container": f"tar+{packed}".rstrip("+"), "members": sorted(_of_tar(plain))}
        except _BROKEN_ARCHIVE:
            return None
    return {"container": packed, "members": [["", "file", 0, _digest(plain)]]} if packed else None


def _limited(read: Callable[[int], bytes]) -> bytes:
    content = read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _TooLarge
    return content


def _of_tar(content: bytes) -> Iterator[list[Any]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for number, member in enumerate(tar):
            if number >= MOST_MEMBERS:
                raise _TooLarge
            file = tar.extractfile(member) if member.isfile() else None
            kind = "file" if member.isfile() else "dir" if member.isdir() else f"other {member.type!r}"
            yield [member.name, kind, member.mode, _digest(file.read()) if file else member.linkname]


def _of_zip(content: bytes) -> Iterator[list[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > MOST_BYTES:
            raise _TooLarge
        for member in members:
            mode = stat.S_IMODE(member.external_attr >> 16)
            with archive.open(member) as file:  # the size that a member claims is not to be trusted
                yield [member.filename, "dir" if member.is_dir() else "file", mode, _digest(_limited(file.read))]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
