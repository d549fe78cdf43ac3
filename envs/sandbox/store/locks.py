"""Who uses what, over threads and processes: locks that the kernel frees when their holder ends, however it ends.

Owns: shared and exclusive locks by name. Does not own: which names there are (`layers`, `snapshots`).

One file holds them all: a name is a byte of it, locked by an open file description (`F_OFD_SETLK`), so that thousands
of holds take one descriptor per process, nothing is left behind to be swept up, and threads exclude each other as
processes do. Two names share a byte once in 2^60, which only makes one wait for the other.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


@lru_cache(10_000)
def _byte_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)


def _lock(fd: int, kind: int, name: str, *, wait: bool = False) -> bool:
    """Set a lock; `False` where another has it and `wait` is off."""
    how = struct.pack("hhqqi4x", kind, os.SEEK_SET, _byte_of(name), 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, how)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


_all: weakref.WeakSet[Locks] = weakref.WeakSet()


def _reopen_all() -> None:
    for locks in list(_all):
        locks.reopen()


os.register_at_fork(after_in_child=_reopen_all)


class Locks:
    """Locks by name over a file that all processes of a store open.

    Args:
        file: The file; it must exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._given_back: deque[tuple[str, ...]] = deque()
        _all.add(self)

    def reopen(self) -> None:
        """Have locks of one's own after a fork: those of the parent are shared, and what one gives back both lose."""
        self._lock = threading.Lock()
        if self._fd < 0:
            return
        inherited = self._fd
        try:
            self._fd = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # the store was removed: nothing is left to lock, and others' stores are still there
            self._fd = -1
            self._counts.clear()
        for name in self._counts:
            _lock(self._fd, fcntl.F_RDLCK, name)
        os.close(inherited)

    def close(self) -> None:
        """Give all shared locks back. Calling it again does nothing."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
                self._counts.clear()

    def release_later(self, names: Iterable[str]) -> None:
        """As `release`, for finalizers: they may run while this very thread is inside one of these methods.

        It is then done by the next call of any method.
        """
        self._given_back.append(tuple(names))
        if self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()

    def share(self, names: Iterable[str]) -> None:
        """Hold names until `release`, waiting for those that are being removed. Holds of one name are counted."""
        for name in names:
            if not self._share(name):
                # Waited for outside of our own lock: whoever removes it may be a thread that needs that one.
                fd = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    _lock(fd, fcntl.F_RDLCK, name, wait=True)
                    self._share(name)
                finally:
                    os.close(fd)

    def _share(self, name: str) -> bool:
        with self._lock:
            self._settle()
            if self._counts[name] == 0 and not _lock(self._fd, fcntl.F_RDLCK, name):
                return False
            self._counts[name] += 1
            return True

    def release(self, names: Iterable[str]) -> None:
        """Give back what `share` took. After `close` nothing is left to give."""
        with self._lock:
            self._settle()
            self._release(names)

    def _settle(self) -> None:
        while self._given_back:
            self._release(self._given_back.popleft())

    def _release(self, names: Iterable[str]) -> None:
        for name in names:
            if self._fd < 0 or self._counts[name] == 0:
                continue
            self._counts[name] -= 1
            if self._counts[name] == 0:
                del self._counts[name]
                _lock(self._fd, fcntl.F_UNLCK, name)

    @contextmanager
    def alone(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Be the only one with a name within the `with`; yields whether that is so, which without `wait` it may not be.

        A hold by the same process counts too.
        """
        with self._lock:
            self._settle()
        fd = os.open(self._file, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield _lock(fd, fcntl.F_WRLCK, name, wait=wait)
        finally:
            os.close(fd)

    def held(self, name: str) -> bool:
        """Whether anyone has the name now."""
        with self.alone(name, wait=False) as free:
            return not free
