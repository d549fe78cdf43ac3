"""The policy server's queue: batches, bounds, clients that leave, an engine that fails, newer weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from scripted_policy import Scripted, complete, eventually, figure, serve

from pivotgym.core.errors import PolicyFailed

Serving = Callable[..., httpx.Client]


@pytest.fixture
def serving(engine: Scripted) -> Iterator[Serving]:
    """Starts servers over the engine, with settings of the test's own."""
    stops: list[Callable[[], None]] = []

    def start(**settings: Any) -> httpx.Client:
        http, stop = serve(engine, **settings)
        stops.append(stop)
        return http

    yield start
    engine.may_work.set()
    for stop in stops:
        stop()


def test_requests_that_wait_are_worked_at_together(serving: Serving, engine: Scripted) -> None:
    http = serving()
    engine.may_work.clear()
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(complete, http)
        assert eventually(lambda: len(engine.batches) == 1)
        rest = [threads.submit(complete, http, prompt=f"p{number}", n=2) for number in range(6)]
        assert eventually(lambda: figure(http, "pivotgym_policy_waiting") == 6)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in [first, *rest])

    assert [len(batch) for batch in engine.batches] == [1, 6]
    assert figure(http, "pivotgym_policy_tokens_total") == 13 * 6


def test_requests_that_differ_are_worked_at_apart(http: httpx.Client, engine: Scripted) -> None:
    engine.may_work.clear()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(complete, http)]
        assert eventually(lambda: len(engine.batches) == 1)
        for number, limit in enumerate((5, 9, 5, 9)):
            asked.append(threads.submit(complete, http, max_tokens=limit))
            assert eventually(lambda number=number: figure(http, "pivotgym_policy_waiting") == number + 1)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in asked)

    assert [[job.max_tokens for job in batch] for batch in engine.batches] == [[16], [5, 5], [9, 9]]


def test_batch_is_bounded_by_its_samples(serving: Serving, engine: Scripted) -> None:
    http = serving(batch_samples=4)
    engine.may_work.clear()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(complete, http)]
        assert eventually(lambda: len(engine.batches) == 1)
        asked += [threads.submit(complete, http, n=2) for _ in range(3)]
        assert eventually(lambda: figure(http, "pivotgym_policy_waiting") == 3)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in asked)

    assert [sum(job.count for job in batch) for batch in engine.batches] == [1, 4, 2]


def test_full_queue_refuses_with_a_time_to_come_again(serving: Serving, engine: Scripted) -> None:
    http = serving(max_waiting=1)
    engine.may_work.clear()
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(complete, http)]
        assert eventually(lambda: len(engine.batches) == 1)
        asked.append(threads.submit(complete, http))
        assert eventually(lambda: figure(http, "pivotgym_policy_waiting") == 1)
        refused = complete(http)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in asked)

    assert (refused.status_code, refused.json()["code"]) == (503, "full")
    assert int(refused.headers["retry-after"]) >= 1


def test_request_whose_client_left_is_not_worked_at(http: httpx.Client, engine: Scripted) -> None:
    engine.may_work.clear()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(complete, http)
        assert eventually(lambda: len(engine.batches) == 1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{http.base_url}/v1/completions", json={"prompt": "gone"}, timeout=0.2, trust_env=False)
        assert eventually(lambda: 'code="client_gone"' in http.get("/metrics").text)
        engine.may_work.set()
        assert first.result().status_code == 200
    complete(http, prompt="last")

    assert [job.prompt for batch in engine.batches for job in batch] == ["Say", "last"]


def test_late_answer_is_a_time_out(serving: Serving, engine: Scripted) -> None:
    http = serving(timeout_s=0.1)
    engine.may_work.clear()
    answer = complete(http)

    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    assert "no answer within 0.1 s" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PolicyFailed("out of memory"), "out of memory"),
        (KeyError("secret-of-the-inside"), "the engine failed unexpectedly"),
    ],
)
def test_engine_that_fails_is_our_fault_and_goes_on(
    http: httpx.Client, engine: Scripted, error: Exception, message: str
) -> None:
    engine.error = error
    answer = complete(http)
    engine.error = None

    assert (answer.status_code, answer.json()["code"]) == (503, "policy_failed")
    assert answer.json()["message"] == message
    assert complete(http).status_code == 200


def test_newer_weights_are_taken_between_requests(http: httpx.Client, engine: Scripted) -> None:
    assert complete(http).json()["system_fingerprint"] == "v1"
    engine.versions.append("v2")
    assert eventually(lambda: complete(http).json()["system_fingerprint"] == "v2")


def test_newer_weights_that_are_broken_are_counted(http: httpx.Client, engine: Scripted) -> None:
    engine.versions += ["broken", "v3"]
    assert eventually(lambda: 'pivotgym_policy_refreshes_total{ok="false"} 1.0' in http.get("/metrics").text)
    assert complete(http).status_code == 200
