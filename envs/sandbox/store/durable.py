"""What is on the disk when, and files that say themselves whether they are whole.

Owns: bringing a tree to the disk, replacing a small file as one step, JSON with its own checksum, removing a tree. Does
not own: the order in which the store writes things (`layers`, `snapshots`).
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.envs.sandbox.store import namespace
from pivotgym.envs.sandbox.store.trees import Tree, walk

ONE_BY_ONE = 64
"""Up to so many files are brought to the disk each for itself (0.2 ms); for more the whole file system is, at once."""
_libc = ctypes.CDLL(None, use_errno=True)


def sync(path: str | Path) -> None:
    """Bring one file or folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(root: Path, files: int) -> None:
    """Bring a folder and all in it to the disk.

    Args:
        root: The folder.
        files: About how many paths are in it.
    """
    if files > ONE_BY_ONE:
        fd = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.syncfs(fd) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(root))
        finally:
            os.close(fd)
        return
    with Tree(root) as tree:
        for _, fd, name, status in walk(tree):
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                _sync_at(fd, name)
        os.fsync(tree.fd)


def _sync_at(folder: int, name: str) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(file: Path, value: dict[str, Any]) -> None:
    """Write JSON with its checksum. Not yet on the disk, not in one step: see `replace_json`."""
    # Names that are not UTF-8 are surrogates, which only the escaped form can hold.
    file.write_text(json.dumps({"sum": digest(value), **value}), encoding="ascii")


def replace_json(file: Path, value: dict[str, Any], by_way_of: Path) -> None:
    """Write JSON with its checksum so that the file is there as a whole or not at all, also after power loss."""
    write_json(by_way_of, value)
    sync(by_way_of)
    by_way_of.rename(file)
    sync(file.parent)


def read_json(file: Path) -> dict[str, Any] | None:
    """What `write_json` wrote, or `None` if the file is missing, cut short or changed."""
    try:
        value = json.loads(file.read_text(encoding="ascii"))
        told = value.pop("sum")
        return value if isinstance(value, dict) and digest(value) == told else None
    except (FileNotFoundError, ValueError, AttributeError, KeyError, TypeError):
        return None


def remove_tree(root: Path) -> bool:
    """Remove a folder with all in it, as far as this process may; whether it is gone. Of any depth."""
    folders: list[str] = []
    with suppress(OSError):  # what is not ours to remove is said by the result
        os.chmod(root, 0o700)
        with Tree(root) as tree:
            for path, fd, name, status in walk(tree):
                if stat.S_ISDIR(status.st_mode):
                    folders.append(path)
                    if status.st_mode & 0o700 != 0o700:
                        os.chmod(name, 0o700, dir_fd=fd)
                else:
                    with suppress(FileNotFoundError):  # another process sweeps too
                        os.unlink(name, dir_fd=fd)
            for path in reversed(folders):
                above, _, name = path.rpartition("/")
                with suppress(FileNotFoundError), tree.folder(above) as fd:
                    os.rmdir(name, dir_fd=fd)
        os.rmdir(root)
    if root.exists() and namespace.helps():
        namespace.run("rm", "-rf", "--", str(root))
    return not root.exists()
