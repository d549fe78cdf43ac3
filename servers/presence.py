"""Whether the client of a request is still there: nothing is worked out for one that went away.

The watch costs a task, so that it begins only when a request has to wait for something.

Owns: that question, from any depth below a request. Does not own: what is dropped (`pool`, `idempotency`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from pivotgym.core.errors import InputError

_current: ContextVar[Presence | None] = ContextVar("presence", default=None)


class ClientGone(InputError):
    """The client closed its connection before the answer; nobody reads this error, but the metrics count it."""

    code = "client_gone"
    status = 499


class Presence:
    """The client of one request, watched from the first question on. Starts when its body has been read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left: asyncio.Task[None] | None = None

    @property
    def gone(self) -> bool:
        """Whether it is known to have left; safe on any thread."""
        return self._left is not None and self._left.done()

    def left(self) -> asyncio.Task[None]:
        """A task that ends when the client leaves."""
        if self._left is None:
            self._left = asyncio.ensure_future(self._watch())
        return self._left

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def end(self) -> None:
        """Stop watching: the request is answered."""
        if self._left is not None:
            self._left.cancel()


def current() -> Presence | None:
    """The client of the request that is being answered; `None` outside one, or where nobody minds if it leaves."""
    return _current.get()


@contextmanager
def regardless() -> Iterator[None]:
    """Tasks made inside go on whether or not the client stays."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


async def finished(work: asyncio.Future[Any], timeout_s: float | None) -> bool:
    """Wait for work; whether it was done within `timeout_s` seconds. It is never cancelled.

    Raises:
        ClientGone: If the client left first.
    """
    client = current()
    if client is None:
        done, _ = await asyncio.wait({work}, timeout=timeout_s)
        return bool(done)
    left = client.left()
    done, _ = await asyncio.wait({work, left}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if left in done and work not in done:
        raise ClientGone("the client closed the connection before the answer")
    return work in done


class Watch:
    """ASGI middleware that lets `current` know the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = Presence(receive)
        token = _current.set(client)
        try:
            await self._app(scope, receive, send)
        finally:
            _current.reset(token)
            client.end()
