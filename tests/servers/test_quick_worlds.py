"""A domain that says its worlds are quick: no thread, no task, and the same answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest
from toy_domain import Store, StoreComparator, StoreDomain, call, make_pivot

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Pivot, Verdict
from pivotgym.servers.client import Client
from pivotgym.servers.idempotency import Once
from pivotgym.servers.serve import BackgroundServer

DONE = Action(content="done")


class QuickStore(Store):
    """The store; remembers on which threads it ran."""

    threads: set[str] = set()  # noqa: RUF012 - shared on purpose

    def run(self, action: Action) -> Effects:
        self.threads.add(threading.current_thread().name)
        return super().run(action)


class Quick(StoreDomain):
    """The toy domain, quick."""

    inline = True

    def world(self) -> QuickStore:
        return QuickStore()


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    with BackgroundServer(Quick(), pivots=map(make_pivot, range(5))) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    QuickStore.threads.clear()


def started(client: Client) -> Any:
    return client.session(task_id="goal-2")


def test_a_session_runs_where_the_server_is(client: Client) -> None:
    with started(client) as session:
        observed = session.step(call("set", key="goal", value=2)).observation
        ended = session.step(DONE)

    assert (observed, ended.reward, ended.terminated) == ("2", 1.0, True)
    assert QuickStore.threads
    assert not any(name.startswith("pivotgym-world") for name in QuickStore.threads)


def test_an_executed_verdict_runs_where_the_server_is(client: Client) -> None:
    verdict = client.verify("toy/a:1", call("set", key="color", value="blue"))

    assert (verdict.reward, verdict.executed) == (0.0, True)
    assert not any(name.startswith("pivotgym-world") for name in QuickStore.threads)


def test_a_rule_runs_on_a_thread_since_it_may_take_long(serving: Any) -> None:
    seen: list[str] = []

    class Slow(StoreComparator):
        def screen(self, pivot: Pivot, action: Action) -> None:
            return None

        def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
            seen.append(threading.current_thread().name)
            return super().by_rule(pivot, action)

    class ByRule(Quick):
        comparator = Slow()

        def executable(self, origin: Origin) -> bool:
            return False

    with Client(serving(ByRule()).url) as client:
        assert client.verify("toy/a:1", call("get", key="a")).method == "unequal_calls"

    assert [name.startswith("pivotgym-world") for name in seen] == [True]


def test_a_step_sent_twice_is_taken_once(http: httpx.Client) -> None:
    session_id = http.post("/sessions", json={"task_id": "goal-2"}).json()["session_id"]
    step = {"action": call("set", key="goal", value=2).to_json(), "idempotency_key": "k"}
    answers = [http.post(f"/sessions/{session_id}/step", json=step).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert http.get(f"/sessions/{session_id}").json()["steps"] == 1


def test_a_key_used_for_another_step_is_refused(http: httpx.Client) -> None:
    session_id = http.post("/sessions", json={"task_id": "goal-2"}).json()["session_id"]
    for value, status in ((1, 200), (2, 409)):
        step = {"action": call("set", key="goal", value=value).to_json(), "idempotency_key": "k"}
        assert http.post(f"/sessions/{session_id}/step", json=step).status_code == status


def test_a_step_that_breaks_answers_the_same_error_again(http: httpx.Client) -> None:
    session_id = http.post("/sessions", json={"task_id": "goal-2"}).json()["session_id"]
    step = {"action": call("break").to_json(), "idempotency_key": "k"}
    answers = [http.post(f"/sessions/{session_id}/step", json=step) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["message"] == answers[1].json()["message"]


async def twice(once: Once[int], call: Callable[[], Awaitable[int]]) -> list[int]:
    return await asyncio.gather(*(once.run("k", "body", call, 5.0) for _ in range(2)))


def test_a_repeat_during_a_call_that_waits_after_all_gets_its_answer() -> None:
    begun: list[int] = []

    async def slow() -> int:
        begun.append(1)
        await asyncio.sleep(0.01)
        return 7

    assert asyncio.run(twice(Once(4, at_once=True), slow)) == [7, 7]
    assert len(begun) == 1


def test_a_call_that_fails_is_forgotten_unless_errors_are_kept() -> None:
    async def fails() -> int:
        raise WorldFailed("broken")

    async def left(keep_errors: bool) -> int:
        once: Once[int] = Once(4, keep_errors=keep_errors, at_once=True)
        with pytest.raises(WorldFailed):
            await once.run("k", "body", fails, 5.0)
        await asyncio.sleep(0)
        return len(once)

    assert [asyncio.run(left(keep_errors)) for keep_errors in (False, True)] == [0, 1]


def test_a_call_that_is_cancelled_is_forgotten() -> None:
    async def left() -> int:
        once: Once[int] = Once(4, keep_errors=True, at_once=True)
        waiting = asyncio.ensure_future(once.run("k", "body", asyncio.Event().wait, 5.0))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        return len(once)

    assert asyncio.run(left()) == 0


@pytest.mark.parametrize("at_once", [False, True])
def test_answers_are_forgotten_by_their_size_too(at_once: bool) -> None:
    class Answer(NamedTuple):
        body: bytes

    made: list[str] = []

    async def answer(key: str) -> Answer:
        made.append(key)
        return Answer(b"x" * 60)

    async def calls() -> None:
        once: Once[Answer] = Once(10, most_bytes=100, at_once=at_once)
        for key in ("a", "b", "b", "a"):
            await once.run(key, "body", partial(answer, key), 5.0)

    asyncio.run(calls())
    assert made == ["a", "b", "a"]
