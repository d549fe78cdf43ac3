"""The worker processes of one server, as one of them sees the others.

Each worker accepts connections on the server's address, and listens on a socket of its own in a private folder. A
session lives in one worker, whose number its id begins with; a creation under an idempotency key belongs to the worker
that the key's hash names, so that a repeat finds it through whichever worker it comes. What belongs to another worker
is passed on to it. Scoring is stateless: any worker does it.

Owns: whose a session or a key is, and passing calls on. Does not own: processes (`workers`), or what a call does.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from pivotgym.core.errors import NotFound, Warming
from pivotgym.servers.presence import ClientGone, finished
from pivotgym.servers.wire import Reply

_inside: ContextVar[bool] = ContextVar("inside", default=False)
_KEPT_HEADERS = (b"content-type", b"retry-after")
MARGIN_S = 30.0


@dataclass(frozen=True)
class Place:
    """A worker's number, how many there are, and the folder of their sockets; `None` where there is only one."""

    index: int = 0
    count: int = 1
    folder: Path | None = None

    def socket(self, index: int) -> str:
        """Path of a worker's own socket."""
        assert self.folder is not None
        return str(self.folder / f"{index}.sock")


class Away(Exception):
    """A worker did not answer: it ended, and is being started again."""

    def __init__(self, index: int) -> None:
        super().__init__(f"worker {index} did not answer")
        self.index = index

    def lost(self, session_id: str) -> NotFound:
        """What a call in one of its sessions answers."""
        return NotFound(
            f"session_id: no live session {session_id[:100]!r}: the worker process that held it ended",
            hint="POST /sessions makes a new one",
            session_id=session_id[:100],
        )

    def warming(self) -> Warming:
        """What a call answers that it can carry out once it is back."""
        return Warming(
            f"worker process {self.index} ended and is being started again",
            hint="repeat the call",
            retry_after_s=1.0,
        )


def inside() -> bool:
    """Whether the present call came from another worker."""
    return _inside.get()


class Peers:
    """The other workers. Used from the event loop only.

    Args:
        place: Which worker this is.
        timeout_s: The longest time a call may take, seconds.
    """

    def __init__(self, place: Place, timeout_s: float) -> None:
        self.place = place
        self._timeout = httpx.Timeout(timeout_s + MARGIN_S)
        self._clients: dict[int, httpx.AsyncClient] = {}

    @property
    def others(self) -> list[int]:
        """Numbers of the other workers, beginning with the next."""
        return [(self.place.index + step) % self.place.count for step in range(1, self.place.count)]

    def new_id(self) -> str:
        """An id for a session of this worker."""
        return f"{self.place.index}-{secrets.token_hex(16)}"

    def holder(self, session_id: str) -> int | None:
        """The other worker that a session would live in; `None` for one that would live here, or nowhere."""
        number = session_id.partition("-")[0]
        if self.place.count == 1 or not (number.isascii() and number.isdigit() and len(number) < 4):
            return None
        return int(number) if int(number) in self.others else None

    def keeper(self, key: str | None) -> int | None:
        """The other worker that remembers creations under an idempotency key; `None` if it is this one."""
        if key is None or self.place.count == 1:
            return None
        hashed = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        keeper = int.from_bytes(hashed) % self.place.count
        return keeper if keeper != self.place.index else None

    async def in_session(self, session_id: str, method: str, path: str, body: bytes = b"") -> Reply | None:
        """The answer of the worker that holds a session; `None` if this one does.

        Raises:
            NotFound: If that worker is away, and the session with it.
        """
        holder = self.holder(session_id)
        if holder is None:
            return None
        try:
            return await self.send(holder, method, path, body)
        except Away as away:
            raise away.lost(session_id) from None

    async def send(self, index: int, method: str, path: str, body: bytes = b"") -> Reply:
        """Pass a call on to another worker, for as long as the client waits for it.

        Raises:
            Away: If that worker does not answer.
            ClientGone: If the client left; the other worker sees it leave, too.
        """
        sending = asyncio.ensure_future(self._client(index).request(method, path, content=body))
        try:
            await finished(sending, None)
            answer = sending.result()
        except httpx.TransportError as error:
            raise Away(index) from error
        except (ClientGone, asyncio.CancelledError):
            sending.cancel()
            raise
        headers = tuple(header for header in answer.headers.raw if header[0].lower() in _KEPT_HEADERS)
        return Reply(answer.content, answer.status_code, headers)

    async def each(self, method: str, path: str, body: bytes = b"") -> list[Reply | Away]:
        """The answers of all other workers to a call."""
        found = await asyncio.gather(*(self._one(index, method, path, body) for index in self.others))
        return list(found)

    async def _one(self, index: int, method: str, path: str, body: bytes) -> Reply | Away:
        try:
            return await self.send(index, method, path, body)
        except Away as away:
            return away

    def _client(self, index: int) -> httpx.AsyncClient:
        client = self._clients.get(index)
        if client is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
            client = self._clients[index] = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=self.place.socket(index), limits=limits),
                base_url="http://worker",
                timeout=self._timeout,
                headers={"accept-encoding": "identity"},
            )
        return client

    async def close(self) -> None:
        """Close the connections to the others."""
        for client in self._clients.values():
            await client.aclose()


class Doors:
    """ASGI middleware: calls from other workers go past the guard, which asked them already where they came in."""

    def __init__(self, front: ASGIApp, back: ASGIApp, place: Place) -> None:
        self._front, self._back = front, back
        self._socket = place.socket(place.index) if place.folder is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        server = scope.get("server") if self._socket is not None and scope["type"] == "http" else None
        if server is None or tuple(server) != (self._socket, None):
            await self._front(scope, receive, send)
            return
        token = _inside.set(True)
        try:
            await self._back(scope, receive, send)
        finally:
            _inside.reset(token)
