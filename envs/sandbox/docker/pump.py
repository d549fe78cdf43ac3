"""Plain pipes out of the engine's multiplexed streams, for all sandboxes of a process by one thread.

Owns: taking a stream of frames (8 bytes: stream number, three zeros, length) apart into pipes, without ever blocking on
a reader that is slow or idle. Does not own: what is said on the pipes (`envs.sandbox.shell`).
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

_READ = 1 << 16
_HEADER = 8


@dataclass
class _Stream:
    """One connection and the pipes its frames go to."""

    connection: socket.socket
    pipes: Mapping[int, int]
    held: bytearray = field(default_factory=bytearray)
    left: int = 0
    number: int = 0
    waiting: tuple[int, memoryview] | None = None
    ended: bool = False
    watched: socket.socket | int = -1

    def frame(self) -> memoryview | None:
        """The next bytes that belong to one pipe, or `None` where more must be read first."""
        if not self.left:
            if len(self.held) < _HEADER:
                return None
            self.number, self.left = self.held[0], int.from_bytes(self.held[4:_HEADER], "big")
            del self.held[:_HEADER]
        part = bytes(self.held[: self.left])
        if not part and self.left:
            return None
        del self.held[: len(part)]
        self.left -= len(part)
        return memoryview(part)


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

    def split(self, connection: socket.socket, numbers: tuple[int, ...], early: bytes = b"") -> tuple[int, ...]:
        """Pipes to read from, one for each stream number; each ends when the connection does.

        Args:
            connection: A stream of frames; the pump reads it from now on and closes it at its end.
            early: What was read of it already.
            numbers: Stream numbers: 1 is standard output, 2 standard error. Others are dropped.
        """
        pairs = {number: os.pipe() for number in numbers}
        for _, write in pairs.values():
            os.set_blocking(write, False)
        connection.setblocking(False)
        pipes = {number: write for number, (_, write) in pairs.items()}
        self._arrived.append(_Stream(connection, pipes, held=bytearray(early)))
        os.write(self._wake_write, b"x")
        return tuple(pairs[number][0] for number in numbers)

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
        """Write what waits, then take apart what has come, until a pipe is full or all is done."""
        if stream.waiting is None and not stream.ended:
            try:
                got = stream.connection.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                got = b""
            stream.ended = not got
            stream.held += got
        if self._write_out(stream) and stream.ended:
            self._drop(stream)

    def _write_out(self, stream: _Stream) -> bool:
        """Whether everything that has come is written; if not, the pipe that is full is waited for."""
        while True:
            if stream.waiting is None:
                part = stream.frame()
                if part is None:
                    return True
                if stream.number not in stream.pipes or not part:
                    continue
                stream.waiting = (stream.pipes[stream.number], part)
            pipe, part = stream.waiting
            try:
                written = os.write(pipe, part)
            except BlockingIOError:
                self._wait_for(stream, pipe)
                return False
            except OSError:  # nobody reads any more
                written = len(part)
            stream.waiting = (pipe, part[written:]) if written < len(part) else None
            if stream.waiting is None:
                self._wait_for(stream, None)

    def _wait_for(self, stream: _Stream, pipe: int | None) -> None:
        """Watch a full pipe in place of the connection, or the connection again."""
        wanted = stream.connection if pipe is None else pipe
        if wanted == stream.watched:
            return
        self._selector.unregister(stream.watched)
        self._selector.register(wanted, selectors.EVENT_READ if pipe is None else selectors.EVENT_WRITE, stream)
        stream.watched = wanted

    def _drop(self, stream: _Stream) -> None:
        self._selector.unregister(stream.watched)
        for pipe in stream.pipes.values():
            os.close(pipe)
        stream.connection.close()
