"""Copying a tree as it lies on disk: an overlay's upper folder becomes a layer, several layers become one.

Owns: what of a file is kept: content with its holes, mode, owner, modification time, links between files, extended
attributes, overlayfs' whiteouts and opaque marks. Does not own: when, and where the copy goes (`layers`).

Other marks of overlayfs (`origin`, `impure`, ...) speak of the mount they were made in and are left out.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from pivotgym.envs.sandbox.store.bulk import Bulk
from pivotgym.envs.sandbox.store.trees import OPAQUE, Tree, is_opaque, status_of, walk

_BLOCK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_CHANGED = (*_GONE, errno.EINVAL, errno.ENXIO)
_CANNOT = (errno.EOPNOTSUPP, errno.EPERM, errno.ENODATA, errno.EACCES)


def copy_tree(source: str | Path, target: str | Path) -> None:
    """Copy what is in a folder into another, empty one. The target folder gets the source's mode, owner and time too.

    Owners are kept as the calling process sees them.

    Raises:
        OSError: If something cannot be read or written; the target is then half-done.
        WorldFailed: If there is too much of it, see `Bulk`; likewise.
    """
    with Tree(source) as old, Tree(target) as new:
        copier, bulk = Copier(new), Bulk()
        copier.folder("", old, os.fstat(old.fd))
        for path, fd, name, status in walk(old):
            bulk.add(path, status)
            try:
                copier.one(path, name, fd, status, old)
            except OSError as error:
                if error.errno not in _CHANGED or _same(status_of(fd, name), status):
                    raise
        copier.finish()


def _same(now: os.stat_result | None, before: os.stat_result) -> bool:
    """Whether a name still is what it was. What a process replaced while we copied it belongs to no state."""
    return now is not None and now.st_ino == before.st_ino and stat.S_IFMT(now.st_mode) == stat.S_IFMT(before.st_mode)


@dataclass
class Copier:
    """Fills a tree from others, parents first; `finish` comes last.

    Attributes:
        new: The tree to be filled.
    """

    new: Tree
    _linked: dict[tuple[int, int], str] = field(default_factory=dict)
    _folders: list[tuple[str, Tree, os.stat_result, bool]] = field(default_factory=list)

    def one(self, path: str, name: str, fd: int, status: os.stat_result, source: Tree, *, hides: bool = False) -> None:
        """Copy one path, a folder without what is in it.

        Args:
            path: Where it goes, and where it is.
            name: The last part of the path.
            fd: The folder that it is in.
            status: What it is.
            source: The tree that it is in.
            hides: Whether a folder is to be opaque; it is too where the source's is.

        Raises:
            OSError: If it cannot be read or written.
        """
        mode = status.st_mode
        with self.new.folder(path.rpartition("/")[0]) as into:
            if stat.S_ISDIR(mode):
                os.mkdir(name, 0o700, dir_fd=into)
                self.folder(path, source, status, hides=hides)
            elif status.st_nlink > 1 and self._first(status, path) != path:
                self._link(self._first(status, path), name, into)
            elif stat.S_ISREG(mode):
                _copy_file(fd, into, name, status)
            else:
                if stat.S_ISLNK(mode):
                    os.symlink(os.readlink(name, dir_fd=fd), name, dir_fd=into)
                else:
                    os.mknod(name, mode, status.st_rdev, dir_fd=into)
                _own(into, name, status)

    def folder(self, path: str, source: Tree, status: os.stat_result, *, hides: bool = False) -> None:
        """Note a folder that is made already, for `finish`. Arguments as for `one`."""
        self._folders.append((path, source, status, hides))

    def finish(self) -> None:
        """Modes, marks and times of folders, the deepest first: what is put into a folder changes its time."""
        for path, source, status, hides in reversed(self._folders):
            try:
                with source.folder(path) as old, self.new.folder(path) as new:
                    _copy_attributes(old, new)
                    if hides or is_opaque(old):
                        os.setxattr(new, OPAQUE, b"y")
                    os.chown(new, status.st_uid, status.st_gid)
                    os.chmod(new, stat.S_IMODE(status.st_mode))
                    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
            except OSError as error:
                if error.errno not in _GONE:
                    raise

    def _first(self, status: os.stat_result, path: str) -> str:
        return self._linked.setdefault((status.st_dev, status.st_ino), path)

    def _link(self, first: str, name: str, into: int) -> None:
        above, _, first_name = first.rpartition("/")
        with self.new.folder(above) as there:
            os.link(first_name, name, src_dir_fd=there, dst_dir_fd=into, follow_symlinks=False)


def _copy_file(folder: int, into: int, name: str, status: os.stat_result) -> None:
    source = os.open(name, _READ, dir_fd=folder)
    try:
        if not _same(os.fstat(source), status):
            raise FileNotFoundError(errno.ENOENT, "replaced by something else", name)
        target = os.open(name, _WRITE, 0o600, dir_fd=into)
        try:
            _copy_content(source, target, status.st_size)
            _copy_attributes(source, target)
            os.chown(target, status.st_uid, status.st_gid)
            os.chmod(target, stat.S_IMODE(status.st_mode))  # after the owner, whose change clears setuid
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_content(source: int, target: int, size: int) -> None:
    """Copy data and leave holes as holes; at most `size` bytes, as a process may go on writing."""
    place = 0
    while place < size:
        try:
            place = os.lseek(source, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole up to the end
        end = min(os.lseek(source, place, os.SEEK_HOLE), size)
        place = _copy_range(source, target, place, end)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, place: int, end: int) -> int:
    while place < end:
        try:
            count = os.copy_file_range(source, target, end - place, place, place)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            count = os.pwrite(target, os.pread(source, min(end - place, _BLOCK), place), place)
        if count == 0:
            return end  # it became shorter
        place += count
    return place


def _copy_attributes(source: int, target: int) -> None:
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno in _CANNOT:
            return
        raise
    for name in names:
        if name.startswith(("user.overlay.", "trusted.", "security.selinux")):
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            # A file system without that attribute, or one that only the machine's own root may set.
            if error.errno not in _CANNOT:
                raise


def _own(into: int, name: str, status: os.stat_result) -> None:
    os.chown(name, status.st_uid, status.st_gid, dir_fd=into, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=into)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=into, follow_symlinks=False)
