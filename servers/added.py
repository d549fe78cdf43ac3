"""Pivots added while several workers serve: one file that all of them append to and read.

A worker that is started again reads it from the beginning, so that nothing added is lost with a worker.

Owns: that file. Does not own: which pivots fit (`pivots`).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pivotgym.core.trajectory import Pivot


class AddedPivots:
    """The pivots added to a server, as JSON Lines. Not thread-safe.

    Args:
        path: The file; made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._read = 0

    def unread(self) -> list[Pivot]:
        """What was added, by any worker, since this was asked last."""
        size = os.fstat(self._file).st_size
        if size <= self._read:
            return []
        whole, _, _ = os.pread(self._file, size - self._read, self._read).rpartition(b"\n")
        if not whole:
            return []
        self._read += len(whole) + 1
        return [Pivot.model_validate(json.loads(line)) for line in whole.split(b"\n")]

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else adds within the block."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def add(self, pivots: Iterable[Pivot]) -> None:
        """Append, within `exclusive` and with nothing unread; half a line that a killed worker left is overwritten."""
        lines = b"".join(json.dumps(pivot.model_dump(mode="json")).encode() + b"\n" for pivot in pivots)
        os.ftruncate(self._file, self._read)
        if os.pwrite(self._file, lines, self._read) != len(lines):
            raise OSError(errno.ENOSPC, "not all of the added pivots could be written")
        self._read += len(lines)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
