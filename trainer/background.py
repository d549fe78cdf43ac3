"""Asynchronous work beside synchronous code: an event loop on a thread, its results taken as they come.

Owns: the thread, handing results over, stopping at once when the caller stops. Does not own: the work.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator
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
