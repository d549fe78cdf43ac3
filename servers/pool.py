"""The thread pool on which worlds run, so that a slow one never blocks the event loop.

Owns: running synchronous work off the loop, and time-outs of it. Does not own: what is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pivotgym.core.errors import TimedOut

T = TypeVar("T")


class Pool:
    """A bounded thread pool. A thread cannot be stopped, so work that outlives its time-out runs on, unread."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pivotgym-world")
        self._unfinished: set[Future[Any]] = set()

    async def run(self, work: Callable[[], T], timeout_s: float | None = None, what: str = "the call") -> T:
        """Run `work` on a thread.

        Args:
            work: Called without arguments.
            timeout_s: Seconds to wait for it; `None` waits as long as it takes.
            what: Names the work in the error.

        Raises:
            TimedOut: If it took longer. Work that had not begun is given up; work that had runs to its end.
        """
        future = self._threads.submit(work)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        waiting = asyncio.wrap_future(future)
        if timeout_s is None:
            return await waiting
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), timeout_s)
        except TimeoutError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is not None:
                raise
            raise self._timed_out(future, waiting, timeout_s, what) from None

    def _timed_out(self, future: Future[T], waiting: asyncio.Future[T], timeout_s: float, what: str) -> TimedOut:
        waiting.add_done_callback(lambda late: late.cancelled() or late.exception())
        if future.cancel():
            return TimedOut(
                f"{what} did not begin within {timeout_s:g} s: all {self.workers} workers are busy",
                hint="repeat it later, raise timeout_s, or start the server with more workers",
                details={"begun": False},
            )
        return TimedOut(f"{what} took longer than {timeout_s:g} s", hint="raise timeout_s", details={"begun": True})

    @property
    def unfinished(self) -> int:
        """Calls that run or wait for a thread."""
        return len(self._unfinished)

    def close(self) -> None:
        """Take no more work and drop what has not begun; does not wait."""
        self._threads.shutdown(wait=False, cancel_futures=True)
