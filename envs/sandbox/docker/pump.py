"""Plain pipes out of the engine's multiplexed streams, for all sandboxes of a process by one thread.

Owns: taking a stream of frames (8 bytes: stream number, three zeros, length) apart into pipes, without ever blocking on
a reader that is slow or idle. Does not own: marks and reports (`marks`), what is said on the pipes
(`envs.sandbox.shell`).
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from pivotgym.envs.sandbox.docker.marks import ERRORS, OUTPUT, REPORT, Sorter

_READ = 1 << 16
_HEADER = 8


@dataclass
class _Stream:
    """One connection and the pipes that what comes on it goes to."""

    connection: socket.socket
    sorter: Sorter
    pipes: dict[int, int]
    held: bytearray = field(default_factory=bytearray)
    left: int = 0
    number: int = 0
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    ended: bool = False
    watched: socket.socket | int = -1

    def add(self, got: bytes) -> None:
        """Take what was read, and sort it."""
        self.held += got
        for number, part in self._frames():
            self.waiting += self.sorter.take(number, part)
        if self.ended:
            self.waiting += self.sorter.left()

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while self.held:
            if not self.left:
                if len(self.held) < _HEADER:
                    return
                self.number, self.left = self.held[0], int.from_bytes(self.held[4:_HEADER], "big")
                del self.held[:_HEADER]
            part = bytes(self.held[: self.left])
            del self.held[: len(part)]
            self.left -= len(part)
            if part and self.number in (OUTPUT, ERRORS):
                yield self.number, part


class Pump:
    """Takes streams apart in a thread of its own until they end."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._arrived: deque[_Stream] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._loop, name="docker-pump", daemon=True)
        self._thread.start()

    def split(self, connection: socket.socket, mark: str, early: bytes = b"") -> tuple[int, int, int]:
        """Pipes to read output, errors and reports from; all end when the connection does, reports maybe before.

        Args:
            connection: A stream of frames; the pump reads it from now on and closes it at its end.
            mark: The mark of its reports.
            early: What was read of it already.
        """
        pairs = {number: os.pipe() for number in (OUTPUT, ERRORS, REPORT)}
        for _, write in pairs.values():
            os.set_blocking(write, False)
        connection.setblocking(False)
        stream = _Stream(connection, Sorter(mark), {number: write for number, (_, write) in pairs.items()})
        stream.add(early)
        self._arrived.append(stream)
        os.write(self._wake_write, b"x")
        return pairs[OUTPUT][0], pairs[ERRORS][0], pairs[REPORT][0]

    def close(self) -> None:
        """End the thread; its pipes end with it."""
        self._closing = True
        os.write(self._wake_write, b"x")
        self._thread.join()

    def _loop(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    with suppress(BlockingIOError):
                        os.read(self._wake_read, _READ)
                else:
                    self._advance(key.data)
            while self._arrived:
                stream = self._arrived.popleft()
                stream.watched = stream.connection
                self._selector.register(stream.connection, selectors.EVENT_READ, stream)
                self._write_out(stream)
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._drop(key.data)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _advance(self, stream: _Stream) -> None:
        """Read what has come unless something waits, and write what there is until a pipe is full."""
        if not stream.waiting and not stream.ended:
            try:
                got = stream.connection.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                got = b""
            stream.ended = not got
            stream.add(got)
        if self._write_out(stream) and stream.ended:
            self._drop(stream)

    def _write_out(self, stream: _Stream) -> bool:
        """Whether everything is written; if not, the pipe that is full is waited for."""
        while stream.waiting:
            target, part = stream.waiting[0]
            written = self._written(stream, target, part)
            if written is None:
                self._watch(stream, stream.pipes[target], selectors.EVENT_WRITE)
                return False
            if written < len(part):
                stream.waiting[0] = (target, part[written:])
            else:
                stream.waiting.popleft()
        self._watch(stream, stream.connection, selectors.EVENT_READ)
        return True

    def _written(self, stream: _Stream, target: int, part: bytes) -> int | None:
        """How many bytes a pipe took; `None` while it is full."""
        if target not in stream.pipes:
            return len(part)
        if not part:
            os.close(stream.pipes.pop(target))
            return 0
        try:
            return os.write(stream.pipes[target], part)
        except BlockingIOError:
            return None
        except OSError:  # nobody reads any more
            return len(part)

    def _watch(self, stream: _Stream, wanted: socket.socket | int, events: int) -> None:
        if wanted != stream.watched:
            self._selector.unregister(stream.watched)
            self._selector.register(wanted, events, stream)
            stream.watched = wanted

    def _drop(self, stream: _Stream) -> None:
        self._selector.unregister(stream.watched)
        for pipe in stream.pipes.values():
            os.close(pipe)
        stream.connection.close()
