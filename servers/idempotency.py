"""Calls that change something are carried out once, however often a client repeats them under the same key.

Owns: remembering answers by key, bounded. Does not own: which calls are remembered (`sessions`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from pivotgym.core.errors import PivotGymError, TimedOut, WrongState
from pivotgym.servers.presence import finished, regardless

T = TypeVar("T")


class _Entry(Generic[T]):
    def __init__(self, body: str, task: asyncio.Future[T]) -> None:
        self.body = body
        self.task = task
        self.size = 0


def fingerprint(key: str | None, request: BaseModel) -> str:
    """What must be equal in a repeat under a key: the whole request but its time-out. Empty without a key."""
    if key is None:
        return ""
    body = json.dumps(request.model_dump(mode="json", exclude={"timeout_s"}), sort_keys=True, default=str)
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


class Once(Generic[T]):
    """Runs each keyed call once and answers repeats from memory; a repeat during the first waits for it.

    Args:
        most: Answers remembered; the oldest finished ones are forgotten first.
        keep_errors: Whether a failed call is remembered too (where failing may already have changed something).
        at_once: Whether calls wait for nothing, so that none needs a task of its own.
    """

    def __init__(
        self, most: int, *, most_bytes: int | None = None, keep_errors: bool = False, at_once: bool = False
    ) -> None:
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._keep_errors = keep_errors
        self._at_once = at_once
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def run(
        self,
        key: str | None,
        body: str,
        call: Callable[[], Awaitable[T]],
        timeout_s: float,
        *,
        unread: Callable[[T], Awaitable[Any]] | None = None,
    ) -> T:
        """Run `call`, or give the answer that the same key got before.

        Args:
            key: The idempotency key; `None` runs the call whatever came before.
            body: Fingerprint of the request.
            call: Started at most once per key, as a task of its own: a dropped connection does not stop it.
            timeout_s: Seconds to wait for the answer.
            unread: What to do with the answer of a call that nobody can ask for any more.

        Raises:
            WrongState: If the key was used for another request.
            TimedOut: If the answer is not there yet; the same key can be asked again.
            ClientGone: If the client left. A call with a key goes on, since a repeat may ask for it; one without is
                dropped if it has not begun.
        """
        entry = self._entries.get(key) if key is not None else None
        if entry is None and self._at_once:
            return await (call() if key is None else self._here(key, body, call))
        if entry is None:
            entry = self._start(key, body, call)
        elif entry.body != body:
            raise WrongState(
                f"idempotency_key: {key!r} was used for a different request",
                hint="take a fresh key for each new request, and the same one only to repeat it",
            )
        done = False
        try:
            done = await finished(entry.task, timeout_s)
        finally:
            if not done and key is None and unread is not None:
                entry.task.add_done_callback(lambda task: _hand_over(task, unread))
        if done:
            return entry.task.result()
        raise TimedOut(
            f"no answer within {timeout_s:g} s; the call is still being carried out",
            hint="repeat it with the same idempotency_key to get its answer" if key else "send an idempotency_key",
            details={"begun": True},
        )

    async def _here(self, key: str, body: str, call: Callable[[], Awaitable[T]]) -> T:
        """Run a call without a task, and remember what came of it."""
        entry = _Entry(body, asyncio.get_running_loop().create_future())
        entry.task.add_done_callback(lambda task: self._done(key, entry, task))
        self._entries[key] = entry
        self._forget_oldest()
        try:
            result = await call()
        except asyncio.CancelledError:
            entry.task.cancel()
            raise
        except Exception as error:
            entry.task.set_exception(error)
            entry.task.exception()  # it is read here, whether or not anybody asks again
            raise
        entry.task.set_result(result)
        self._weigh(key, entry)
        return result

    def _start(self, key: str | None, body: str, call: Callable[[], Awaitable[T]]) -> _Entry[T]:
        with regardless() if key is not None else nullcontext():
            entry = _Entry(body, asyncio.ensure_future(_awaited(call)))
        entry.task.add_done_callback(lambda task: self._done(key, entry, task))
        if key is not None:
            self._entries[key] = entry
            self._forget_oldest()
        return entry

    def _done(self, key: str | None, entry: _Entry[T], task: asyncio.Future[T]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if key is not None and failed and self._entries.get(key) is entry and not self._kept(task):
            del self._entries[key]
        elif not failed and key is not None:
            self._weigh(key, entry)

    def _weigh(self, key: str, entry: _Entry[T]) -> None:
        if self._most_bytes is not None and self._entries.get(key) is entry:
            entry.size = len(getattr(entry.task.result(), "body", b""))
            self._bytes += entry.size
            self._forget_oldest()

    def _kept(self, task: asyncio.Future[T]) -> bool:
        if not self._keep_errors or task.cancelled():
            return False
        error = task.exception()
        return not (isinstance(error, PivotGymError) and error.details.get("begun") is False)

    def _forget_oldest(self) -> None:
        while len(self._entries) > self._most or (self._most_bytes is not None and self._bytes > self._most_bytes):
            key, oldest = next(iter(self._entries.items()))
            if not oldest.task.done():
                return
            del self._entries[key]
            self._bytes -= oldest.size


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


_background: set[asyncio.Task[Any]] = set()


def _hand_over(task: asyncio.Future[T], unread: Callable[[T], Awaitable[Any]]) -> None:
    if task.cancelled() or task.exception() is not None:
        return
    with regardless():
        later = asyncio.ensure_future(_awaited(lambda: unread(task.result())))
    _background.add(later)
    later.add_done_callback(_background.discard)
