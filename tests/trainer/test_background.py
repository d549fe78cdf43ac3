import asyncio
import threading
from contextlib import closing

import pytest

from pivotgym.trainer.background import Behind, iterate


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


def test_work_left_behind_is_done_in_order_beside_the_caller():
    done, gate = [], threading.Event()
    with Behind(most=2) as behind:
        behind.do(gate.wait)
        behind.do(lambda: done.append(1))
        before = list(done)
        gate.set()
        behind.do(lambda: done.append(2))

    assert (before, done) == ([], [1, 2])


def fail():
    raise ValueError("broken")


def leave_behind(most, pieces):
    with Behind(most) as behind:
        for work in pieces:
            behind.do(work)


def test_an_error_behind_is_told_at_the_end_and_ends_the_work():
    done = []

    with pytest.raises(ValueError, match="broken"):
        leave_behind(3, [fail, lambda: done.append(1)])
    assert done == []


def test_an_error_behind_is_told_at_the_next_call():
    reached = []

    def pieces():
        yield fail
        yield lambda: None
        reached.append("the call after")

    with pytest.raises(ValueError, match="broken"):
        leave_behind(1, pieces())
    assert reached == []
