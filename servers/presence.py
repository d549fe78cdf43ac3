"""Whether the client of a request is still there: nothing is worked out for one that went away.

Our own connections (`http`) say so themselves, for next to nothing. Below another ASGI server a task watches for the
message that says it.

Owns: that question, from any depth below a request. Does not own: what is dropped (`pool`, `idempotency`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from pivotgym.core.errors import InputError

_current: ContextVar[Presence | None] = ContextVar("presence", default=None)


LEFT = "pivotgym.left"
"""ASGI extension of our own connections: a function that gives a future, done once the connection is closed."""


class ClientGone(InputError):
    """The client closed its connection before the answer; nobody reads this error, but the metrics count it."""

    code = "client_gone"
    status = 499


class Presence:
    """The client of one request. To be asked once its body has been read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._told: Callable[[], asyncio.Future[None]] | None = scope.get("extensions", {}).get(LEFT)
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None
        self._left: asyncio.Future[None] | None = None
        self._ended = False

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more, as far as is known; safe on any thread."""
        return self._ended or (self._left is not None and self._left.done())

    def left(self) -> asyncio.Future[None]:
        """A future that is done when the client has left."""
        if self._left is None:
            if self._told is not None:
                self._left = self._told()
            else:
                self._left = self._watch = asyncio.ensure_future(self._watched())
        return self._left

    async def _watched(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def end(self) -> None:
        """The request is answered."""
        self._ended = True
        if self._watch is not None:
            self._watch.cancel()


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
    left = client.left() if client is not None else None
    await _either(work, left, timeout_s)
    if left is not None and left.done() and not work.done():
        raise ClientGone("the client closed the connection before the answer")
    return work.done()


async def _either(work: asyncio.Future[Any], left: asyncio.Future[None] | None, timeout_s: float | None) -> None:
    """What `asyncio.wait` does for the first of two futures, at a third of its cost."""
    if work.done() or (left is not None and left.done()):
        return
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(timeout_s, wake) if timeout_s is not None else None
    work.add_done_callback(wake)
    if left is not None:
        left.add_done_callback(wake)
    try:
        await waiter
    finally:
        work.remove_done_callback(wake)
        if left is not None:
            left.remove_done_callback(wake)
        if timer is not None:
            timer.cancel()


class Watch:
    """ASGI middleware that lets `current` know the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = Presence(scope, receive)
        token = _current.set(client)
        try:
            await self._app(scope, receive, send)
        finally:
            _current.reset(token)
            client.end()
