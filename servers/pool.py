"""The thread pool on which worlds run, so that a slow one never blocks the event loop.

Owns: running synchronous work off the loop, time-outs of it, and dropping it when its client has gone. Does not own:
what is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pivotgym.core.errors import Full, InfrastructureError, TimedOut
from pivotgym.servers.presence import ClientGone, finished, regardless

T = TypeVar("T")


class PoolClosed(InfrastructureError):
    """No more work is taken: the server is stopping."""

    code = "stopping"


class Pool:
    """A bounded thread pool. A thread cannot be stopped, so work that outlives its time-out runs on, unread.

    Args:
        workers: How many threads.
        max_waiting: Calls that may wait for a thread; more are refused.
        inline: Whether worlds are so quick that a thread would cost more than they do.
    """

    def __init__(self, workers: int, max_waiting: int, *, inline: bool = False) -> None:
        self.workers = workers
        self.inline = inline
        self._most = workers + max_waiting
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pivotgym-world")
        self._unfinished: set[Future[Any]] = set()
        self._closed = False

    async def call(
        self,
        work: Callable[[], T],
        timeout_s: float | None = None,
        what: str = "the call",
        *,
        pure: bool = False,
        must: bool = False,
    ) -> T:
        """Call into a world: as `run`, or at once where worlds are quick. Arguments and errors as for `run`."""
        if not self.inline:
            return await self.run(work, timeout_s, what, pure=pure, must=must)
        if self._closed:
            raise PoolClosed("the server is stopping")
        return work()

    async def run(
        self,
        work: Callable[[], T],
        timeout_s: float | None = None,
        what: str = "the call",
        *,
        pure: bool = False,
        must: bool = False,
    ) -> T:
        """Run `work` on a thread.

        Args:
            work: Called without arguments.
            timeout_s: Seconds to wait for it; `None` waits as long as it takes.
            what: Names the work in the error.
            pure: Whether it changes nothing, so that nobody need wait for it once its client has gone.
            must: Whether it is taken however much is waiting.

        Raises:
            PoolClosed: If the server is stopping.
            Full: If too much is waiting for a thread.
            TimedOut: If it took longer. Work that had not begun is given up; work that had runs to its end.
            ClientGone: If the client left: work that had not begun is given up, pure work runs on unread, and other
                work is waited for.
        """
        if self._closed:
            raise PoolClosed("the server is stopping")
        if len(self._unfinished) >= self._most and not must:
            raise self._full(what)
        future = self._threads.submit(work)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        waiting = asyncio.wrap_future(future)
        try:
            done = await finished(waiting, timeout_s)
        except ClientGone:
            if future.cancel() or pure:
                self._unread(waiting)
                raise
            with regardless():
                done = await finished(waiting, timeout_s)
        except asyncio.CancelledError:
            self._unread(waiting)
            future.cancel()
            raise
        if not done:
            raise self._timed_out(future, waiting, timeout_s or 0.0, what)
        return waiting.result()

    def _full(self, what: str) -> Full:
        return Full(
            f"{what} was not begun: {self._most - self.workers} calls are waiting for a thread already",
            hint="repeat it later, send less at once, or start the server with more threads or workers",
            retry_after_s=1.0,
            details={"begun": False},
        )

    def _timed_out(self, future: Future[T], waiting: asyncio.Future[T], timeout_s: float, what: str) -> TimedOut:
        self._unread(waiting)
        if future.cancel():
            return TimedOut(
                f"{what} did not begin within {timeout_s:g} s: all {self.workers} threads are busy",
                hint="repeat it later, raise timeout_s, or start the server with more threads",
                details={"begun": False},
            )
        return TimedOut(f"{what} took longer than {timeout_s:g} s", hint="raise timeout_s", details={"begun": True})

    def _unread(self, waiting: asyncio.Future[Any]) -> None:
        waiting.add_done_callback(lambda late: late.cancelled() or late.exception())

    @property
    def unfinished(self) -> int:
        """Calls that run or wait for a thread."""
        return len(self._unfinished)

    def close(self) -> None:
        """Take no more work and drop what has not begun; does not wait."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
