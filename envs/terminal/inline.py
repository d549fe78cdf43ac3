"""File trees that an origin gives in place.

Owns: the form of `files`, its bounds, and the archive it becomes. Does not own: the other fields of an origin.
"""

from __future__ import annotations

import base64
import binascii
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError, TooLarge
from pivotgym.core.trajectory import Origin
from pivotgym.envs.terminal import fields

MAX_FILES = 10_000
MAX_BYTES = 8 * 2**20
DEFAULT_MTIME = 1_704_067_200
"""2024-01-01, so that equal trees have equal times wherever they are made."""
_KEYS = {"text", "base64", "mode", "mtime", "link", "folder"}


@dataclass(frozen=True)
class Planned:
    """One entry of a tree: a regular file, a link (`link` is its target) or a folder."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    mtime: int = DEFAULT_MTIME
    link: str = ""
    folder: bool = False


def planned(origin: Origin) -> tuple[Planned, ...]:
    """The tree in `files`, sorted by path.

    Raises:
        InputError: If an entry has another form; names it.
        TooLarge: If there are more than `MAX_FILES` entries, or more than `MAX_BYTES` in all.
    """
    given = fields.mapping(origin, "files")
    if len(given) > MAX_FILES:
        raise TooLarge(f"origin: files: expected at most {MAX_FILES} entries, got {len(given)}")
    tree = tuple(sorted((_entry(origin, path, value) for path, value in given.items()), key=lambda one: one.path))
    total = sum(len(one.content) for one in tree)
    if total > MAX_BYTES:
        raise TooLarge(f"origin: files: expected at most {MAX_BYTES} bytes in all, got {total}")
    return tree


def write_tar(path: Path, tree: Sequence[Planned]) -> None:
    """Write a tree as a tar archive to be unpacked at `/`."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for one in tree:
            member = tarfile.TarInfo(one.path.lstrip("/"))
            member.mode, member.mtime = one.mode, one.mtime
            if one.folder:
                member.type = tarfile.DIRTYPE
            elif one.link:
                member.type, member.linkname = tarfile.SYMTYPE, one.link
            else:
                member.size = len(one.content)
            archive.addfile(member, io.BytesIO(one.content) if member.size else None)


def _entry(origin: Origin, path: str, value: Any) -> Planned:
    where = f"files[{path!r}]"
    place = fields.inside(origin, where, path)
    if place == "/":
        raise fields.bad(origin, where, "a path below '/'", path)
    if isinstance(value, str):
        return Planned(place, value.encode("utf-8", "surrogateescape"))
    if not isinstance(value, dict) or value.keys() - _KEYS:
        raise fields.bad(origin, where, f"a text or an object of {sorted(_KEYS)}", value)
    what = [key for key in ("text", "base64", "link", "folder") if key in value]
    if len(what) != 1:
        raise fields.bad(origin, where, "exactly one of text, base64, link, folder", value)
    folder = what[0] == "folder"
    mtime = value.get("mtime", DEFAULT_MTIME)
    if isinstance(mtime, bool) or not isinstance(mtime, int) or not 0 <= mtime < 2**33:
        raise fields.bad(origin, f"{where}.mtime", "whole seconds since 1970", mtime)
    if folder and value["folder"] is not True:
        raise fields.bad(origin, f"{where}.folder", "true", value["folder"])
    mode = _mode(origin, f"{where}.mode", value.get("mode", "0755" if folder else "0644"))
    return Planned(place, _content(origin, where, value), mode, mtime, _link(origin, where, value), folder)


def _mode(origin: Origin, where: str, value: Any) -> int:
    try:
        mode = int(value, 8) if isinstance(value, str) else -1
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise fields.bad(origin, where, "octal digits as text, up to '7777'", value)
    return mode


def _link(origin: Origin, where: str, value: dict[str, Any]) -> str:
    target = value.get("link", "")
    if not isinstance(target, str) or "\0" in target or ("link" in value and not target):
        raise fields.bad(origin, f"{where}.link", "a link's target", target)
    return target


def _content(origin: Origin, where: str, value: dict[str, Any]) -> bytes:
    content = value.get("text", value.get("base64", ""))
    if not isinstance(content, str):
        raise fields.bad(origin, where, "a text", content)
    if "base64" not in value:
        return content.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"origin of kind {origin.kind!r}: {where}.base64: {error}") from error
