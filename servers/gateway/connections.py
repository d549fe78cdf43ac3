"""Connections to one upstream server, kept and used again.

`httptools` reads the answers, as it reads requests in uvicorn. With httpx in its place a call costs 0.7 ms of CPU, with
this 0.05: as the gateway stands before every verdict, that is the difference between one core and many.

Owns: connecting, sending, taking an answer as it comes, and what a broken connection means. Does not own: which server
is asked, and whether again (`upstream`, `passing`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httptools

from pivotgym.servers.gateway.settings import Address
from pivotgym.servers.presence import finished

IDLE_S = 30.0
"""A connection that was idle for longer is not used again: servers close theirs after 75 s."""
MOST_IDLE = 256
HIGH_WATER = 2**20
"""Bytes of an answer kept for a client that reads slowly; the upstream waits with the rest."""


class Broken(Exception):
    """No answer: the connection could not be made, or ended too soon.

    Attributes:
        refused: Whether nobody listens there: what the server held is gone.
        sent: Whether the request may have been carried out.
        late: Whether time passed rather than that something broke.
    """

    def __init__(self, why: str, *, refused: bool = False, sent: bool = True, late: bool = False) -> None:
        super().__init__(why)
        self.refused, self.sent, self.late = refused, sent, late


@dataclass
class Answer:
    """An answer whose head has come.

    Attributes:
        status: HTTP status.
        headers: In order; names in lower case.
        length: Announced size of the body in bytes, `None` where it is not.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    length: int | None
    _connection: Connection
    _timeout_s: float

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            Broken: If it does not come whole.
        """
        while True:
            part = await self._connection.more(self._timeout_s)
            if not part:
                return
            yield part

    async def body(self) -> bytes:
        """The whole body. Errors as for `parts`."""
        return b"".join([part async for part in self.parts()])

    def drop(self) -> None:
        """Read no more of it."""
        self._connection.drop()


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    owner: Connections
    loop: asyncio.AbstractEventLoop
    since: float = 0.0
    _transport: Any = None
    _parser: Any = None
    _head: asyncio.Future[None] | None = None
    _more: asyncio.Future[None] | None = None
    _headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    _chunks: deque[bytes] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _complete: bool = True
    _until_closed: bool = False
    _stays: bool = False
    _paused: bool = False
    _error: Broken | None = None

    async def ask(self, request: bytes, timeout_s: float) -> Answer:
        """Send a request and wait for the head of its answer.

        Raises:
            Broken: If none comes.
            ClientGone: If the client left; the upstream sees it leave, too.
        """
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._complete, self._until_closed, self._stays = [], False, False, False
        self._head = self.loop.create_future()
        self._transport.write(request)
        try:
            if not await finished(self._head, timeout_s):
                raise Broken(f"no answer within {timeout_s:g} s", late=True)
            self._head.result()
        except BaseException:
            self.drop()
            raise
        length = next((int(value) for name, value in self._headers if name == b"content-length"), None)
        return Answer(self._parser.get_status_code(), self._headers, length, self, timeout_s)

    async def more(self, timeout_s: float) -> bytes:
        """The next part of the body; empty at its end, when the connection is free for others."""
        while not self._chunks:
            if self._complete:
                self._release()
                return b""
            if self._error is not None:
                raise self._error
            self._more = self.loop.create_future()
            try:
                if not await finished(self._more, timeout_s):
                    raise Broken(f"the answer stopped for {timeout_s:g} s", late=True)
            except BaseException:
                self.drop()
                raise
        part = b"".join(self._chunks)
        self._chunks.clear()
        self._waiting_bytes = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return part

    def _release(self) -> None:
        if self._error is None and self._stays:
            self.owner.give_back(self)
        else:
            self.drop()

    def drop(self) -> None:
        """Close it at once."""
        self._transport.abort()

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        return self._error is not None or bool(self._transport.is_closing())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._complete:
            self.drop()  # nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Broken(f"the answer is no HTTP: {error}"))
            self.drop()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Let the answer begin."""
        if self._parser.get_status_code() < 200:
            self._headers = []
            return
        framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
        self._until_closed = not framed
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._chunks.append(body)
        self._waiting_bytes += len(body)
        if self._waiting_bytes > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._parser.get_status_code() >= 200:
            self._complete, self._stays = True, self._parser.should_keep_alive()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.owner.forget(self)
        if self._until_closed and exc is None and self._head is not None and self._head.done():
            self._complete = True
        why = f"the connection ended: {exc}" if exc else "the connection ended before the whole answer"
        self._fail(Broken(why))

    def _fail(self, error: Broken) -> None:
        self._error = self._error or error
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
            self._head.exception()  # it is read here, whether or not anybody still waits
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


class Connections:
    """The connections to one address. Used from the event loop only.

    Args:
        address: Where to.
        connect_timeout_s: The longest time to connect, seconds.
    """

    def __init__(self, address: Address, connect_timeout_s: float) -> None:
        self._address = address
        self._timeout_s = connect_timeout_s
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._idle: list[Connection] = []

    async def take(self) -> Connection:
        """A connection: the one that was used last of those that are idle, or a new one.

        Raises:
            Broken: If it cannot be made.
        """
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and loop.time() - connection.since < IDLE_S:
                return connection
            connection.drop()
        host, port = self._address.host, self._address.port
        try:
            async with asyncio.timeout(self._timeout_s):
                _, made = await loop.create_connection(lambda: Connection(self, loop), host, port, ssl=self._tls)
        except ConnectionRefusedError as error:
            raise Broken("nobody listens there", refused=True, sent=False) from error
        except TimeoutError as error:
            raise Broken(f"no connection within {self._timeout_s:g} s", sent=False, late=True) from error
        except OSError as error:
            raise Broken(f"no connection: {error.strerror or error}", sent=False) from error
        return made

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call."""
        if len(self._idle) >= MOST_IDLE:
            connection.drop()
            return
        connection.since = connection.loop.time()
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().drop()
