"""The replicas behind one domain's name, and which of them a call goes to.

A session's id, as clients see it, is `{tag}.{the replica's own id}`; the tag is a hash of the replica's address. So any
gateway finds any session, also after a restart, and a client can name no address that is not an upstream's.

Owns: replicas, tags, choosing. Does not own: learning how they are (`health`), or sending (`connections`, `passing`).
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from pivotgym.core.errors import Warming
from pivotgym.servers.gateway.connections import Answer, Connections
from pivotgym.servers.gateway.settings import Address, GatewaySettings

RETRY_AFTER_S = 1.0
REMEMBERED_KEYS = 10_000
_SEPARATOR = "."

State = Literal["unknown", "ready", "unready", "down"]


def tag_of(address: Address) -> str:
    """What stands before the dot in the ids of a replica's sessions."""
    return hashlib.blake2b(str(address).encode(), digest_size=6).hexdigest()


@dataclass(eq=False)
class Replica:
    """One server.

    Attributes:
        address: Where it is, the host as an IP address where it was a name.
        connections: To it.
        state: What the last look showed; `unknown` before the first.
        why: What is amiss, where something is.
        pivots: How many it knew at the last look.
        named: Whether its name still leads to it; one that is not gets no new work.
        in_flight: Calls it is carrying out.
        turn: When it was chosen last.
    """

    address: Address
    connections: Connections
    state: State = "unknown"
    why: str | None = None
    pivots: int | None = None
    named: bool = True
    in_flight: int = 0
    turn: int = 0
    tag: str = field(init=False)
    _host: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.tag = tag_of(self.address)
        self._host = str(self.address._replace(path="")).partition("://")[2].encode()

    def is_(self, state: State, why: str | None = None) -> None:
        """Note how it is."""
        self.state, self.why = state, why

    async def ask(
        self, method: str, path: bytes, body: bytes, headers: Iterable[tuple[bytes, bytes]], timeout_s: float
    ) -> Answer:
        """Send it a request.

        Args:
            method: HTTP method.
            path: Path and query, quoted.
            body: The body.
            headers: Beside host and content-length.
            timeout_s: The longest time until the answer begins.

        Raises:
            Broken: If there is no answer.
            ClientGone: If the client left.
        """
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        first = f"{method} {self.address.path}".encode() + path
        head = b"%b HTTP/1.1\r\nhost: %b\r\n%bcontent-length: %d\r\n\r\n" % (first, self._host, lines, len(body))
        connection = await self.connections.take()
        return await connection.ask(head + body, timeout_s)


class Upstream:
    """A domain's replicas. Used from the event loop only.

    Args:
        name: The domain's name in the gateway's paths.
        settings: The gateway's.
        token: The bearer token that the replicas want.

    Attributes:
        replicas: By tag.
        unresolved: Why a host's name led nowhere, by host.
        adding: Held while pivots are added, so that all replicas know the same ones in the same order.
        retries: Calls that were sent a second time.
    """

    def __init__(self, name: str, settings: GatewaySettings, token: str | None) -> None:
        self.name = name
        self.settings = settings
        self.addresses = settings.upstreams[name]
        self.headers = ((b"authorization", b"Bearer " + token.encode()),) if token else ()
        self.replicas: dict[str, Replica] = {}
        self.unresolved: dict[str, str] = {}
        self.adding = asyncio.Lock()
        self.retries = 0
        self._turns = itertools.count(1)
        self._placed: OrderedDict[str, str] = OrderedDict()

    def add(self, address: Address) -> None:
        """Know a replica, or know it again."""
        known = self.replicas.get(tag_of(address))
        if known is not None:
            known.named = True
            return
        made = Replica(address, Connections(address, self.settings.connect_timeout_s))
        self.replicas[made.tag] = made

    def remove(self, replica: Replica) -> None:
        """Forget a replica."""
        replica.connections.close()
        self.replicas.pop(replica.tag, None)

    @property
    def usable(self) -> list[Replica]:
        """The replicas that new work can go to; before the first look, all."""
        named = [replica for replica in self.replicas.values() if replica.named]
        return [replica for replica in named if replica.state == "ready"] or [
            replica for replica in named if replica.state == "unknown"
        ]

    def pick(self, without: Collection[Replica] = ()) -> Replica | None:
        """The replica with the least to do; among equals the one whose turn is longest ago."""
        left = [replica for replica in self.usable if replica not in without]
        chosen = min(left, key=lambda replica: (replica.in_flight, replica.turn), default=None)
        if chosen is not None:
            chosen.turn = next(self._turns)
        return chosen

    def order(self, key: str | None) -> list[Replica]:
        """The replicas that a new session may go to, the first choice first.

        By the key, if there is one, so that a repeat comes to the replica that remembers it, also through another
        gateway and when replicas are added or lost. Where it was placed elsewhere, since its first choice was full,
        that comes first.
        """
        usable = self.usable
        if key is None:
            usable.sort(key=lambda replica: (replica.in_flight, replica.turn))
            if usable:
                usable[0].turn = next(self._turns)
            return usable
        hashed = key.encode("utf-8", "surrogatepass")
        placed = self._placed.get(key)
        usable.sort(
            key=lambda replica: (
                replica.tag != placed,
                hashlib.blake2b(hashed, digest_size=8, key=replica.tag.encode()).digest(),
            )
        )
        return usable

    def place(self, key: str, replica: Replica) -> None:
        """Remember that a key's session is not where its hash says."""
        self._placed[key] = replica.tag
        if len(self._placed) > REMEMBERED_KEYS:
            self._placed.popitem(last=False)

    def split(self, session_id: str) -> tuple[Replica | None, str]:
        """The replica that a session lives in, `None` if it is not known, and the id it has there."""
        tag, _, own = session_id.partition(_SEPARATOR)
        return self.replicas.get(tag) if own else None, own

    def nobody(self) -> Warming:
        """What is answered while no replica can take a call."""
        why = "; ".join(f"{name}: {text}" for name, text in self.troubles().items()) or "none is known"
        return Warming(
            f"no server of {self.name!r} can take calls: {why}",
            hint="repeat the call later; /ready says how all servers are",
            retry_after_s=RETRY_AFTER_S,
        )

    def troubles(self) -> dict[str, str]:
        """What is amiss, by replica or by host's name."""
        found = {replica.tag: f"{replica.state}: {replica.why}" for replica in self.replicas.values() if replica.why}
        return {**self.unresolved, **found}

    def close(self) -> None:
        """Close all connections."""
        for replica in list(self.replicas.values()):
            self.remove(replica)


def public_id(replica: Replica, own: str) -> str:
    """A session's id as clients see it."""
    return f"{replica.tag}{_SEPARATOR}{own}"
