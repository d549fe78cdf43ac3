"""One output stream of one command, kept within a bound.

Owns: head and tail, and the line that says what was cut. Does not own: reading (`envs.sandbox.shell.channel`).
"""

from __future__ import annotations

FLOOD = 64
"""How many times the kept size may be written before the command is ended."""


class Capture:
    """Bytes of a stream, the middle left out where they are more than `limit`.

    Args:
        limit: Bytes kept, half of them from the beginning.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self.total += len(piece)
        room = self._half - len(self._head)
        self._head += piece[:room] if room > 0 else b""
        self._tail += piece[max(room, 0) :]
        if len(self._tail) > 4 * self._half:
            del self._tail[: -self._half]

    @property
    def flooded(self) -> bool:
        """Whether more came than a command may write."""
        return self.total > 2 * self._half * FLOOD

    @property
    def value(self) -> bytes:
        """What is kept, with a line in the middle where something was cut."""
        cut = self.total - len(self._head) - min(len(self._tail), self._half)
        if cut <= 0:
            return bytes(self._head + self._tail)
        return b"%b\n[... %d bytes cut ...]\n%b" % (bytes(self._head), cut, bytes(self._tail[-self._half :]))
