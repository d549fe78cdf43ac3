"""The sessions that this gateway placed, for people to look at: no call is decided by it, and a restart forgets it.

Owns: that memory. Does not own: sessions (the servers), or finding their server (`upstream`).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

MOST = 10_000


@dataclass
class Placed:
    """A session.

    Attributes:
        id: As clients know it.
        domain: Whose it is.
        server: Its server's address.
        by: What made it: `session` or `fork`.
        at: When it was made, and `last` when it was called last; seconds of a monotonic clock.
    """

    id: str
    domain: str
    server: str
    by: str
    at: float
    last: float


class PlacedSessions:
    """The sessions made through the gateway and not ended through it; of too many the oldest are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Placed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, session_id: str, domain: str, server: str, by: str) -> None:
        """Remember a session."""
        now = time.monotonic()
        self._kept[session_id] = Placed(session_id, domain, server, by, now, now)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def called(self, session_id: str) -> None:
        """A call in it was answered."""
        known = self._kept.get(session_id)
        if known is not None:
            known.last = time.monotonic()
            self._kept.move_to_end(session_id)

    def ended(self, session_id: str) -> None:
        """It is no more."""
        self._kept.pop(session_id, None)

    def newest(self, most: int) -> list[Placed]:
        """Those that were called last, the newest first."""
        found = list(self._kept.values())[-most:]
        return found[::-1]
