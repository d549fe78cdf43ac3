from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from toy_domain import Store, call, make_pivot

from pivotgym.core.errors import Full, NotFound, TimedOut, WorldFailed
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]


def wait_for(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition() and time.monotonic() < ends:
        time.sleep(0.02)
    return condition()


def test_full_server_refuses_and_says_when_to_come_back(serving: Serving) -> None:
    server = serving(max_sessions=2)
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        for _ in range(2):
            assert http.post("/sessions", json={"task_id": "goal-0"}).status_code == 200
        answer = http.post("/sessions", json={"task_id": "goal-0"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["message"] == "all 2 sessions are in use"


def test_closed_session_frees_its_slot(serving: Serving) -> None:
    server = serving(max_sessions=1)
    with Client(server.url, retries=4) as client:
        for _ in range(5):
            client.session(task_id="goal-0").close()


def test_fork_needs_a_slot(serving: Serving) -> None:
    server = serving(max_sessions=1)
    with Client(server.url, retries=0) as client, client.session(task_id="goal-0") as session, pytest.raises(Full):
        session.fork()


def test_failed_reset_frees_its_slot(serving: Serving) -> None:
    server = serving(max_sessions=1)
    with Client(server.url, retries=0) as client:
        for _ in range(3):
            with pytest.raises(NotFound):
                client.session(pivot_id="nowhere")
        client.session(task_id="goal-0").close()


def test_idle_session_is_reaped_and_says_so(serving: Serving) -> None:
    server = serving(idle_timeout_s=0.2)
    with Client(server.url, retries=0) as client:
        session = client.session(task_id="goal-0")
        worlds = Store.live
        assert wait_for(lambda: Store.live < worlds)
        with pytest.raises(NotFound, match=r"it was closed after 0\.2 s without a call"):
            session.step(call("get", key="x"))


def test_busy_session_is_not_reaped(serving: Serving) -> None:
    server = serving(idle_timeout_s=0.2)
    with Client(server.url, retries=0) as client, client.session(task_id="goal-0") as session:
        assert session.step(call("sleep", seconds=0.8)).observation == "None"


def test_many_sessions_leave_no_world_behind(serving: Serving) -> None:
    server = serving()
    with Client(server.url) as client:
        client.session(task_id="goal-0").close()
        before = Store.live
        for _ in range(40):
            with client.session(task_id="goal-0") as session, session.fork() as copy:
                copy.step(call("set", key="goal", value=0))
    assert wait_for(lambda: Store.live <= before)


def test_nothing_survives_the_server(serving: Serving) -> None:
    before = Store.live
    server = serving()
    with Client(server.url) as client:
        for _ in range(5):
            client.session(task_id="goal-0")
    server.stop()
    assert Store.live == before


def test_closing_a_busy_session_frees_its_world_afterwards(serving: Serving) -> None:
    server = serving()
    with Client(server.url, retries=0) as client:
        session = client.session(task_id="goal-0")
        before = Store.live
        with pytest.raises(TimedOut):
            session.step(call("sleep", seconds=0.3), timeout_s=0.05)
        session.close()
        assert wait_for(lambda: Store.live == before - 1)


def slow_start(key: str | None) -> dict[str, object]:
    pivot = make_pivot(60, origin={"kind": "store", "delay_s": 0.4})
    return {"pivot": pivot.to_json(), "timeout_s": 0.1, "idempotency_key": key}


def test_reset_that_nobody_can_ask_for_again_is_closed(serving: Serving) -> None:
    server = serving()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        answer = http.post("/sessions", json=slow_start(key=None))
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "warming", "1")
        assert wait_for(lambda: "pivotgym_sessions_live 0.0" in http.get("/metrics").text)


def test_reset_that_timed_out_is_there_for_the_same_key(serving: Serving) -> None:
    server = serving()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.post("/sessions", json=slow_start(key="slow")).status_code == 503
        again = http.post("/sessions", json={**slow_start(key="slow"), "timeout_s": 5})
        assert http.get(f"/sessions/{again.json()['session_id']}").json()["pivot_id"] == "toy/a:60"
        assert "pivotgym_sessions_live 1.0" in http.get("/metrics").text


def test_all_threads_busy_is_a_timeout_that_was_not_begun(serving: Serving) -> None:
    server = serving(threads=1)
    with Client(server.url, retries=0) as client:
        with pytest.raises(TimedOut, match="took longer"):
            client.verify("toy/a:0", call("sleep", seconds=0.6), timeout_s=0.05)
        with pytest.raises(TimedOut, match=r"did not begin within 0\.05 s: all 1 threads are busy"):
            client.verify("toy/a:0", call("get", key="x"), timeout_s=0.05)


def test_a_step_at_a_pivot_can_be_tried_again_after_a_failure(serving: Serving) -> None:
    server = serving()
    with Client(server.url, retries=0) as client, client.session(pivot_id="toy/a:0") as session:
        with pytest.raises(WorldFailed):
            session.step(call("break"))
        assert session.step(call("set", key="color", value="red")).reward == 1.0
