import asyncio
import threading
from contextlib import closing

import pytest

from pivotgym.trainer.background import iterate


async def count(until):
    for number in range(until):
        await asyncio.sleep(0)
        yield number


def test_all_results_come_in_order():
    lists = list(iterate(lambda: count(50)))

    assert [number for part in lists for number in part] == list(range(50))
    assert all(lists)


def test_work_goes_on_while_the_caller_is_busy():
    stepped = threading.Event()

    async def work():
        yield 1
        stepped.set()
        yield 2

    with closing(iterate(work)) as results:
        first = next(results)
        assert stepped.wait(10)
    assert first[0] == 1


def test_results_before_an_error_come_before_it():
    async def work():
        yield 1
        raise ValueError("broken")

    results = iterate(work)
    assert next(results) == [1]
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_caller_that_stops_cancels_the_work_and_its_thread():
    cancelled = threading.Event()

    async def work():
        try:
            yield 1
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    with closing(iterate(work)) as results:
        next(results)

    assert cancelled.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "pivotgym-background"]
