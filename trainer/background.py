"""Work beside its caller: an event loop on a thread, its results taken as they come; and work left behind, in order.

Owns: the threads, handing results and errors over, stopping when the caller stops. Does not own: the work.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class _End:
    """The end of the results: with the error that ended them, if there was one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def iterate(work: Callable[[], AsyncIterator[T]]) -> Generator[list[T], None, None]:
    """Yield lists of what an asynchronous iterator gives: all that has come since the last list, at least one.

    The iterator goes on while the caller is busy. When the generator is closed (use `contextlib.closing`), the
    iterator is cancelled and its thread ends.

    Args:
        work: Makes the iterator; called on the thread.

    Raises:
        BaseException: What the iterator raised, after the results before it.
    """
    results: SimpleQueue[T | _End] = SimpleQueue()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async for item in work():
            results.put(item)

    task = loop.create_task(run())

    def main() -> None:
        error: BaseException | None = None
        try:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        except BaseException as raised:
            error = raised
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            results.put(_End(error))

    thread = threading.Thread(target=main, name="pivotgym-background", daemon=True)
    thread.start()
    try:
        yield from _lists(results)
    finally:
        with suppress(RuntimeError):  # The loop is closed when all is done.
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _lists(results: SimpleQueue[T | _End]) -> Generator[list[T], None, None]:
    while True:
        items: list[T] = []
        item = results.get()
        with suppress(Empty):
            while not isinstance(item, _End):
                items.append(item)
                item = results.get_nowait()
        if items:
            yield items
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return


class Behind:
    """Work that one thread does in order while its caller goes on; a context manager, which waits for what is left.

    After a piece of work that failed none is done any more, and the caller is told at its next call, or at the end.
    When the caller's own block ends with an error, work that waits is dropped.

    Args:
        most: Pieces that may wait or be at work; `do` waits while there are as many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pivotgym-behind")
        self._left: deque[Future[None]] = deque()
        self._failed = False

    def do(self, work: Callable[[], None]) -> None:
        """Leave a piece of work to the thread.

        Raises:
            BaseException: What an earlier piece raised.
        """
        while self._left and (len(self._left) >= self._most or self._left[0].done()):
            self._left.popleft().result()
        self._left.append(self._pool.submit(self._run, work))

    def _run(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                while self._left:
                    self._left.popleft().result()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
