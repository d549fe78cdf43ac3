"""HTTP/1.1 below ASGI: what uvicorn's protocol does not bound. No request can hold a connection or memory for long.

Owns: the size of a request's head, the time in which a request must have come, refusals of what is no HTTP, the rest of
a body that nobody will read, and telling that a client has left. Does not own: the size of bodies that are read
(`endpoint`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pivotgym.core.errors import InputError, PivotGymError, TooLarge
from pivotgym.servers.presence import LEFT
from pivotgym.servers.settings import Listening
from pivotgym.servers.wire import error_reply

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

LINGER_BYTES = 256 * 2**10
"""Of a body that nobody reads, taken in and thrown away before the connection is closed, so that most clients see the
answer and not a broken pipe."""
LINGER_S = 2.0


class BadRequest(InputError):
    """The bytes are no HTTP/1.1 request."""

    code = "bad_request"
    status = 400


class HeadTooLarge(TooLarge):
    """The address and the headers are over the limit."""

    code = "head_too_large"
    status = 431


class TooSlow(InputError):
    """The request did not come in time."""

    code = "too_slow"
    status = 408


class _Protocol(HttpToolsProtocol):
    """A connection."""

    limits: Listening

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._incomplete = True
        self._in_head = True
        self._head_bytes = 0
        self._unread_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._left: asyncio.Future[None] | None = None
        self._extensions = {LEFT: self._leaving}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        if self._left is not None and not self._left.done():
            self._left.set_result(None)
        super().connection_lost(exc)

    def _leaving(self) -> asyncio.Future[None]:
        if self._left is None:
            self._left = self.loop.create_future()
            if self.transport.is_closing():
                self._left.set_result(None)
        return self._left

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.max_header_bytes:
            self._refuse_head()
        elif self._incomplete and self._deadline is None:
            self._await_request()

    def handle_websocket_upgrade(self) -> None:
        self._end_deadline()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        self._incomplete = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = self._head_bytes
        self._head_bytes = 0
        if size > self.limits.max_header_bytes:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > self.limits.max_header_bytes:
                self._refuse_head()
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > LINGER_BYTES:
                self.transport.close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._incomplete = True, False
        self._unread_bytes = 0
        self._end_deadline()
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._incomplete and not self.transport.is_closing():
            self._end_deadline()
            self._deadline = self.loop.call_later(LINGER_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("expected an HTTP/1.1 request, got something else"))

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(self.limits.receive_timeout_s, self._refuse_slow)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse_head(self) -> None:
        most = self.limits.max_header_bytes
        self._refuse(
            HeadTooLarge(f"headers: expected at most {most} bytes with the address, got more", hint="send less of them")
        )

    def _refuse_slow(self) -> None:
        if self._in_head and self._head_bytes == 0:
            self.transport.close()  # a connection on which nothing was asked gets no answer
            return
        within = f"{self.limits.receive_timeout_s:g} s"
        self._refuse(TooSlow(f"expected the whole request within {within}, it had not come", hint="send it faster"))

    def _refuse(self, error: PivotGymError) -> None:
        """Answer, where no answer has begun, and close."""
        self._end_deadline()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        # A request before this one that is still being answered must not get this one's refusal as its answer.
        if cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started):
            self.transport.write(_plain(error))
        self.transport.close()


def _plain(error: PivotGymError) -> bytes:
    answer = error_reply(error)
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode()), (b"connection", b"close")]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    phrase = HTTPStatus(answer.status).phrase
    return f"HTTP/1.1 {answer.status} {phrase}\r\n".encode() + lines + b"\r\n" + answer.body


def protocol(settings: Listening) -> Callable[..., asyncio.Protocol]:
    """The class of connections within these limits, as `uvicorn.Config(http=...)` takes it."""
    return type("Protocol", (_Protocol,), {"limits": settings})
