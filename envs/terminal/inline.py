"""File trees that an origin gives in place.

Owns: the form of `files`, `folders` and `links`, their bounds, and the archive they become. Does not own: an origin's
other fields.
"""

from __future__ import annotations

import base64
import binascii
import io
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError, TooLarge
from pivotgym.core.trajectory import Origin
from pivotgym.envs.terminal import fields

MAX_FILES = 10_000
MAX_BYTES = 8 * 2**20
DEFAULT_MTIME = 1_704_067_200
"""2024-01-01, so that equal trees have equal times wherever they are made."""
_KEYS = {"text", "base64", "mode", "mtime"}


@dataclass(frozen=True)
class Planned:
    """One entry of a tree: a regular file, a link (`link` is its target) or a folder; `owner` by number inside."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    mtime: int = DEFAULT_MTIME
    link: str = ""
    folder: bool = False
    owner: tuple[int, int] = (0, 0)


def owned(tree: Sequence[Planned], user: str, below: str) -> tuple[Planned, ...]:
    """A tree whose entries in and below a folder belong to a user, where that is given as `uid:gid`."""
    uid, colon, gid = user.partition(":")
    if not colon:
        return tuple(tree)
    owner = (int(uid), int(gid))
    inner = below.rstrip("/") + "/"
    return tuple(replace(one, owner=owner) if f"{one.path}/".startswith(inner) else one for one in tree)


def planned(origin: Origin) -> tuple[Planned, ...]:
    """The tree in `files`, `folders` and `links`, sorted by path.

    Raises:
        InputError: If an entry has another form, or two have one path; names it.
        TooLarge: If there are more than `MAX_FILES` entries, or more than `MAX_BYTES` in all.
    """
    given = {name: fields.mapping(origin, name) for name in ("files", "folders", "links")}
    count = sum(map(len, given.values()))
    if count > MAX_FILES:
        raise TooLarge(f"origin: files: expected at most {MAX_FILES} entries, got {count}")
    found: dict[str, Planned] = {}
    for name, entry in (("folders", _folder), ("files", _file), ("links", _link)):
        for path, value in given[name].items():
            where = f"{name}[{path!r}]"
            place = fields.inside(origin, where, path)
            if place == "/" or place in found:
                raise fields.bad(origin, where, "a path below '/' that nothing else has", path)
            found[place] = entry(origin, where, place, value)
    for place in found:
        _check_parents(origin, found, place)
    total = sum(len(one.content) for one in found.values())
    if total > MAX_BYTES:
        raise TooLarge(f"origin: files: expected at most {MAX_BYTES} bytes in all, got {total}")
    return tuple(found[path] for path in sorted(found))


def write_tar(path: Path, tree: Sequence[Planned]) -> None:
    """Write a tree as a tar archive to be unpacked at `/`."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for one in tree:
            member = tarfile.TarInfo(one.path.lstrip("/"))
            member.mode, member.mtime, (member.uid, member.gid) = one.mode, one.mtime, one.owner
            if one.folder:
                member.type = tarfile.DIRTYPE
            elif one.link:
                member.type, member.linkname = tarfile.SYMTYPE, one.link
            else:
                member.size = len(one.content)
            archive.addfile(member, io.BytesIO(one.content) if member.size else None)


def _check_parents(origin: Origin, tree: Mapping[str, Planned], place: str) -> None:
    above = posixpath.dirname(place)
    while above != "/":
        one = tree.get(above)
        if one is not None and not one.folder and not one.link:
            raise fields.bad(origin, f"files[{above!r}]", "no file where a folder is needed", place)
        above = posixpath.dirname(above)


def _folder(origin: Origin, where: str, path: str, value: Any) -> Planned:
    return Planned(path, mode=_mode(origin, where, value), folder=True)


def _link(origin: Origin, where: str, path: str, value: Any) -> Planned:
    if not isinstance(value, str) or not value or "\0" in value:
        raise fields.bad(origin, where, "a link's target", value)
    return Planned(path, link=value)


def _file(origin: Origin, where: str, path: str, value: Any) -> Planned:
    if isinstance(value, str):
        return Planned(path, value.encode("utf-8", "surrogateescape"))
    if not isinstance(value, Mapping) or value.keys() - _KEYS or ("text" in value) == ("base64" in value):
        raise fields.bad(origin, where, "a text, or an object of text or base64 with mode and mtime", value)
    mtime = value.get("mtime", DEFAULT_MTIME)
    if isinstance(mtime, bool) or not isinstance(mtime, int) or not 0 <= mtime < 2**33:
        raise fields.bad(origin, f"{where}.mtime", "whole seconds since 1970", mtime)
    mode = _mode(origin, f"{where}.mode", value.get("mode", 0o644))
    return Planned(path, _content(origin, where, value), mode, mtime)


def _mode(origin: Origin, where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o7777:
        raise fields.bad(origin, where, "permission bits as a whole number from 0 to 4095 (0o7777)", value)
    return value


def _content(origin: Origin, where: str, value: Mapping[str, Any]) -> bytes:
    content = value.get("text", value.get("base64"))
    if not isinstance(content, str):
        raise fields.bad(origin, where, "a text", content)
    if "base64" not in value:
        return content.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"origin of kind {origin.kind!r}: {where}.base64: {error}") from error
