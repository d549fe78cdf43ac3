"""Reading a file tree that is not trusted: by descriptors, never through a link, whatever the names are.

Owns: opening folders, describing one path (`Entry`), overlayfs' marks (whiteout, opaque), listing a whole tree. Does
not own: what two trees have to do with each other (`changes`) or copying (`copying`).

Names are text as `os.fsdecode` makes it: bytes that are not UTF-8 are surrogates, which JSON keeps. Paths are relative
to the tree without a slash in front; "" is the tree itself.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pivotgym.envs.sandbox.contract import Entry, Kind
from pivotgym.envs.sandbox.store.ids import Ids

OPAQUE = "user.overlay.opaque"
"""The mark of an upper folder that hides what is below, for mounts with `userxattr`."""
_OPAQUE_MARKS = (OPAQUE, "trusted.overlay.opaque")

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST = 1000  # of a piece that is opened by one call; PATH_MAX is 4,096 with what the kernel puts around it
_OPENAT2 = 437  # the same number on every architecture
_NO_SYMLINKS_BENEATH = 0x04 | 0x08
_BLOCK = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


class Tree:
    """A folder whose inside is reached by descriptors only. A context manager; `close` frees it.

    Args:
        root: The folder.

    Raises:
        OSError: If it is no folder that can be opened.
    """

    def __init__(self, root: str | Path) -> None:
        self.fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._deep: tuple[bytes, int] | None = None

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Calling it again does nothing."""
        self._forget()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """A descriptor of a folder inside, open within the `with`.

        Raises:
            OSError: If there is none, or a link stands on the way.
        """
        fd = self.open(path)
        try:
            yield fd
        finally:
            os.close(fd)

    def open(self, path: str) -> int:
        """As `folder`, for a caller that closes the descriptor itself."""
        whole = os.fsencode(path)
        start, rest = self.fd, whole
        if self._deep is not None and (whole + b"/").startswith(self._deep[0]):
            start, rest = self._deep[1], whole[len(self._deep[0]) :]
        fd = os.open(".", _FOLDER, dir_fd=start)
        parts = list(_parts_of(rest))
        for number, part in enumerate(parts, 1):
            try:
                deeper = _open_beneath(fd, part)
            finally:
                os.close(fd)
            fd = deeper
            if number == len(parts) - 1:
                # A walk down a path of any length, or up again, would else begin at the root each time.
                self._forget()
                self._deep = (whole[: -len(parts[-1])], os.dup(fd))
        return fd

    def _forget(self) -> None:
        if self._deep is not None:
            os.close(self._deep[1])
            self._deep = None


def _parts_of(path: bytes) -> Iterator[bytes]:
    """A path cut into pieces that one system call can take; none for the empty path."""
    while len(path) > _LONGEST:
        cut = path.rindex(b"/", 0, _LONGEST)
        yield path[:cut]
        path = path[cut + 1 :]
    if path:
        yield path


def _open_beneath(folder: int, path: bytes) -> int:
    how = struct.pack("QQQ", _FOLDER, 0, _NO_SYMLINKS_BENEATH)
    fd: int = _libc.syscall(_OPENAT2, folder, path, how, len(how))
    if fd >= 0:
        return fd
    number = ctypes.get_errno()
    if number not in (errno.ENOSYS, errno.EPERM):  # else no openat2: an old kernel, or a filter around us
        raise OSError(number, os.strerror(number), os.fsdecode(path))
    fd = os.open(".", _FOLDER, dir_fd=folder)
    for name in path.split(b"/"):
        try:
            deeper = os.open(name, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def names_in(fd: int) -> list[str]:
    """The names in a folder, sorted."""
    return sorted(os.listdir(fd))


def status_of(fd: int, name: str) -> os.stat_result | None:
    """What stands under a name in a folder, never followed; `None` for nothing."""
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it is overlayfs' mark that the name is removed."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(fd: int) -> bool:
    """Whether a folder hides what lower layers have under its path."""
    for mark in _OPAQUE_MARKS:
        try:
            if os.getxattr(fd, mark) == b"y":
                return True
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM):
                raise
    return False


def kind_of(mode: int) -> Kind:
    """The kind that `st_mode` says."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISFIFO(mode):
        return "fifo"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def entry_of(fd: int, name: str, status: os.stat_result, ids: Ids) -> Entry | None:
    """Describe what stands under a name in a folder.

    Args:
        fd: The folder.
        name: The name.
        status: What `status_of` said of it.
        ids: Owners.

    Returns:
        `None` if it went away meanwhile, or became something else.
    """
    kind = kind_of(status.st_mode)
    owner, group = ids.inside(status.st_uid), ids.inside(status.st_gid)
    mode = stat.S_IMODE(status.st_mode)
    try:
        if kind == "file":
            size, content = _content_of(fd, name)
            return Entry(kind, mode, owner, group, size, content)
        if kind == "link":
            return Entry(kind, 0, owner, group, 0, os.readlink(name, dir_fd=fd))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EINVAL, errno.ENXIO):
            return None
        raise
    if kind == "device":
        return Entry(kind, mode, owner, group, 0, f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")
    return Entry(kind, mode, owner, group)


def _content_of(folder: int, name: str) -> tuple[int, str]:
    """Bytes and SHA-256 of a file, up to the size it had at first: a process may go on writing to it."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        left = os.fstat(fd).st_size
        size, content = 0, hashlib.sha256()
        while left > 0 and (block := os.read(fd, min(left, _BLOCK))):
            content.update(block)
            size += len(block)
            left -= len(block)
        return size, content.hexdigest()
    finally:
        os.close(fd)


def walk(tree: Tree, path: str = "") -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Everything in a folder, parents before what is in them: (path, folder's descriptor, name, status).

    The descriptor is open until the next item is asked for. What goes away meanwhile is left out.
    """
    pending = [path]
    while pending:
        above = pending.pop()
        try:
            fd = tree.open(above)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                continue
            raise
        try:
            for name in names_in(fd):
                status = status_of(fd, name)
                if status is None:
                    continue
                here = f"{above}/{name}" if above else name
                if stat.S_ISDIR(status.st_mode):
                    pending.append(here)
                yield here, fd, name, status
        finally:
            os.close(fd)


def listing(root: str | Path, ids: Ids) -> dict[str, Entry]:
    """Every path of a tree as it lies on disk, absolute as seen from inside, sorted; not the root itself."""
    found: dict[str, Entry] = {}
    with Tree(root) as tree:
        for path, fd, name, status in walk(tree):
            entry = entry_of(fd, name, status, ids)
            if entry is not None:
                found[f"/{path}"] = entry
    return dict(sorted(found.items()))
