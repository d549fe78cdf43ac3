"""Files of a sandbox, reached from outside: no link or `..` in a path leads out of its tree.

Owns: opening, reading, writing and unpacking below a root that is not trusted. Runs in the warden, which is root there.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy

from pivotgym.core.errors import InputError
from pivotgym.envs.sandbox.bubblewrap import syscalls

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_NO_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG, errno.EACCES}
_NO_PLACE |= {errno.EXDEV, errno.EROFS, errno.ENODEV, errno.EINVAL}
NOBODY = 65534


def open_file(root: str, path: str) -> int | None:
    """A descriptor to read a regular file; `None` where there is none. Links are followed inside."""
    with _opened(root) as top:
        try:
            file = syscalls.open_inside(top, os.fsencode(path), os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in _NO_PLACE:
                return None
            raise
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def write_file(root: str, path: str, content: int, mode: int) -> None:
    """Write a file as root; folders on the way are made.

    Args:
        root: The tree.
        path: Absolute, inside.
        content: Descriptor from which the content is read.
        mode: Permission bits.

    Raises:
        InputError: If the path is no place for a file.
    """
    folder, _, name = path.rstrip("/").rpartition("/")
    if not path.startswith("/") or name in ("", ".", "..") or "\0" in path:
        raise InputError(f"path {path!r}: expected an absolute path of a file")
    with _opened(root) as top:
        try:
            above = _folder(top, folder)
        except OSError as error:
            if error.errno in _NO_PLACE:
                raise InputError(f"path {path!r}: {folder or '/'} is no folder") from error
            raise
        try:
            if _mounted_over(top, above):
                raise InputError(f"path {path!r}: no place for a file: {folder} is made by the kernel")
            _replace(top, above, name, content, mode, path)
        finally:
            os.close(above)


def _mounted_over(top: int, folder: int) -> bool:
    """Whether a folder is hidden by `/proc` or `/dev`, which are mounted where the sandbox's processes run."""
    root, path = (os.readlink(f"/proc/self/fd/{file}") for file in (top, folder))
    return path.removeprefix(root).split("/")[1:2] in (["proc"], ["dev"])


def make_folder(root: str, path: str) -> None:
    """Make a folder inside, with those above it, unless it is there."""
    with _opened(root) as top:
        os.close(_folder(top, path))


def _replace(top: int, above: int, name: str, content: int, mode: int, path: str) -> None:
    try:
        found = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    except FileNotFoundError:
        found = 0
    if found and not (stat.S_ISREG(found) or stat.S_ISLNK(found)):
        raise InputError(f"path {path!r}: expected a place for a file, found a folder or device there")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
        target = syscalls.open_inside(top, os.fsencode(path), flags, mode)
    except OSError as error:
        if error.errno in _NO_PLACE:
            raise InputError(f"path {path!r}: no place for a file: {error.strerror}") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(target).st_mode):
            raise InputError(f"path {path!r}: expected a place for a file, found a device there")
        os.fchmod(target, mode)
        while block := os.read(content, 1 << 20):
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]
    finally:
        os.close(target)


def _folder(top: int, path: str) -> int:
    """A folder inside, made with those above it where it is missing."""
    with suppress(FileNotFoundError):
        return syscalls.open_inside(top, os.fsencode(path or "/"), _FOLDER)
    parent, _, name = path.rstrip("/").rpartition("/")
    above = _folder(top, parent)
    try:
        if name not in ("", "."):
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=above)
    finally:
        os.close(above)
    return syscalls.open_inside(top, os.fsencode(path), _FOLDER)


@contextmanager
def _opened(root: str) -> Iterator[int]:
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield top
    finally:
        os.close(top)


def unpack(archive: int, root: str, at: str, *, name: str, ids: int) -> None:
    """Unpack a tar archive into a tree that nobody else uses. Modes, times and owners are kept; devices are left out.

    Args:
        archive: Descriptor of the archive, of any compression that `tarfile` knows.
        root: The tree.
        at: The folder inside, made where it is missing.
        name: What the archive is called in errors.
        ids: How many users exist inside; files of others belong to nobody, or to root where there is only that.

    Raises:
        InputError: If it is no archive, or a member would lie outside of its folder.
    """
    with _opened(root) as top:
        folder = _folder(top, "/" + at.strip("/"))
        try:
            # By descriptor, as the path may be out of reach; nothing but what `_checked` passes is unpacked there.
            with os.fdopen(os.dup(archive), "rb") as stream, tarfile.open(fileobj=stream) as opened:
                opened.errorlevel = 2
                # What is unpacked is checked here, as it is reached; newer versions of Python would also change modes.
                opened.extraction_filter = _as_it_is
                opened.extractall(f"/proc/self/fd/{folder}", _checked(opened, folder, ids), numeric_owner=True)
        except (tarfile.TarError, EOFError, ValueError, KeyError) as error:
            raise InputError(
                f"archive {name}: cannot be unpacked: {error}", hint="expected a tar archive, compressed or not"
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE):
                raise
            raise InputError(f"archive {name}: cannot be unpacked: {error.strerror or error}") from error
        except RecursionError as error:  # tarfile makes folders on the way by calling itself
            raise InputError(f"archive {name}: cannot be unpacked: its folders are nested too deeply") from error
        finally:
            os.close(folder)


def _as_it_is(member: tarfile.TarInfo, _: str) -> tarfile.TarInfo:
    return member


def _checked(members: Iterable[tarfile.TarInfo], folder: int, ids: int) -> Iterator[tarfile.TarInfo]:
    """The members as they are unpacked, each once those before it are there."""
    for original in members:
        if original.ischr() or original.isblk():
            continue
        member = copy(original)
        member.name = _contained(original.name, original.name, folder)
        member.uid, member.gid = _owner(original.uid, ids), _owner(original.gid, ids)
        if original.islnk():
            member.linkname = _contained(original.name, original.linkname, folder)
        yield member


def _contained(shown: str, name: str, folder: int) -> str:
    """A member's path below the folder, once it is sure that neither `..` nor a link on the way leads out of it."""
    path = posixpath.normpath(name.lstrip("/"))
    above = posixpath.dirname(path)
    outside = path.split("/")[0] == ".."
    while above and not outside:
        try:
            os.close(syscalls.open_beneath(folder, os.fsencode(above), os.O_PATH))
            break
        except FileNotFoundError:
            above = posixpath.dirname(above)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            outside = True
    if outside:
        raise ValueError(f"member {shown!r} would lie outside of the folder")
    return path


def _owner(number: int, ids: int) -> int:
    if number < ids:
        return number
    return NOBODY if ids > NOBODY else 0
