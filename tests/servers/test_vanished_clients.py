"""Nothing is worked out for a client that went away, and nothing it asked for stays behind."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from toy_domain import Store, call, make_pivot

from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]
SLEEP = call("sleep", seconds=0.6).to_json()
SET = call("set", key="k", value=1).to_json()


def wait_for(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    return condition()


@contextmanager
def asking(server: BackgroundServer, path: str, body: dict[str, Any]) -> Iterator[None]:
    """A client that sends a request and leaves at the end of the block without having read the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(head.encode() + content)
        yield


class Figures:
    """The server's metrics."""

    def __init__(self, server: BackgroundServer) -> None:
        self._http = httpx.Client(base_url=server.url, trust_env=False)

    def __call__(self, name: str) -> float:
        found = re.search(rf"^pivotgym_{re.escape(name)} (.*)$", self._http.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def reaches(self, name: str, value: float) -> bool:
        return wait_for(lambda: self(name) == value)


def test_queued_verification_is_dropped(serving: Serving) -> None:
    server = serving(threads=1)
    figures = Figures(server)
    before = Store.calls
    with asking(server, "/verify", {"pivot_id": "toy/a:0", "action": SLEEP}):
        assert figures.reaches("pool_unfinished", 1)
        with asking(server, "/verify", {"pivot_id": "toy/a:0", "action": SET}):
            assert figures.reaches("pool_unfinished", 2)
        assert figures.reaches("pool_unfinished", 1)
        assert figures.reaches('verdicts_total{executed="true",outcome="different"}', 1)
    assert Store.calls == before + 2, "the expert's call and the first candidate's"
    assert figures('errors_total{code="client_gone"}') == 1


def test_rest_of_a_batch_is_dropped(serving: Serving) -> None:
    server = serving(threads=1)
    figures = Figures(server)
    before = Store.calls
    actions = [call("sleep", seconds=0.05 + number / 1e6).to_json() for number in range(60)]
    with asking(server, "/verify/batch", {"items": [{"pivot_id": "toy/a:0", "actions": actions}]}):
        assert wait_for(lambda: Store.calls > before + 2)
    assert figures.reaches("pool_unfinished", 0)
    assert Store.calls < before + 60


def test_queued_step_is_dropped_and_the_session_lives_on(serving: Serving) -> None:
    server = serving(threads=1)
    figures = Figures(server)
    with Client(server.url) as client, client.session(task_id="goal-0") as session:
        with asking(server, "/verify", {"pivot_id": "toy/a:0", "action": SLEEP}):
            assert figures.reaches("pool_unfinished", 1)
            with asking(server, f"/sessions/{session.id}/step", {"action": SET}):
                assert figures.reaches("pool_unfinished", 2)
            assert figures.reaches("pool_unfinished", 1)
        assert session.step(call("get", key="k")).observation == "None"
        assert session.describe()["steps"] == 1


def test_step_with_a_key_is_carried_out_for_the_repeat(serving: Serving) -> None:
    server = serving(threads=1)
    figures = Figures(server)
    with Client(server.url) as client, client.session(task_id="goal-0") as session:
        step = {"action": SET, "idempotency_key": "once"}
        with asking(server, "/verify", {"pivot_id": "toy/a:0", "action": SLEEP}):
            assert figures.reaches("pool_unfinished", 1)
            with asking(server, f"/sessions/{session.id}/step", step):
                assert figures.reaches("pool_unfinished", 2)
        answer = httpx.post(f"{server.url}/sessions/{session.id}/step", json=step, trust_env=False)
        assert answer.json()["observation"] == "1"
        assert session.describe()["steps"] == 1


def test_step_that_runs_is_finished_and_counted(serving: Serving) -> None:
    server = serving()
    with Client(server.url) as client, client.session(task_id="goal-0") as session:
        before = Store.calls
        with asking(server, f"/sessions/{session.id}/step", {"action": SLEEP}):
            assert wait_for(lambda: Store.calls > before)
        assert wait_for(lambda: session.describe()["steps"] == 1)
        assert session.describe()["state"] == "live"


def test_session_of_a_client_that_left_is_closed(serving: Serving) -> None:
    server = serving(max_sessions=1)
    figures = Figures(server)
    live = Store.live
    slow = make_pivot(61, origin={"kind": "store", "delay_s": 0.3}).to_json()
    opening = {"pivot": slow, "options": {"horizon": "pivot"}}
    with asking(server, "/sessions", opening):
        assert figures.reaches("sessions_live", 1)
    assert figures.reaches("sessions_live", 0)
    assert Store.live == live + 1, "the pivot's state is kept for the next one, and nothing else"


def test_fork_for_a_client_that_left_is_closed(serving: Serving) -> None:
    server = serving(threads=1)
    figures = Figures(server)
    with Client(server.url) as client, client.session(task_id="goal-0") as session:
        live = Store.live
        with asking(server, f"/sessions/{session.id}/step", {"action": SLEEP}):
            assert figures.reaches("pool_unfinished", 1)
            with asking(server, f"/sessions/{session.id}/fork", {}):
                pass
        assert figures.reaches("pool_unfinished", 0)
        assert figures.reaches("sessions_live", 1)
        assert Store.live == live


def test_work_beyond_what_may_wait_is_refused(serving: Serving) -> None:
    server = serving(threads=1, max_waiting=1)
    figures = Figures(server)
    with Client(server.url) as client, client.session(task_id="goal-0") as session:
        step = {"action": SET, "idempotency_key": "later"}
        with asking(server, "/verify", {"pivot_id": "toy/a:0", "action": SLEEP}):
            assert figures.reaches("pool_unfinished", 1)
            with asking(server, "/verify", {"pivot_id": "toy/a:0", "action": SET}):
                assert figures.reaches("pool_unfinished", 2)
                refused = httpx.post(f"{server.url}/sessions/{session.id}/step", json=step, trust_env=False)
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "full", "1")
        assert refused.json()["message"] == "the call was not begun: 1 calls are waiting for a thread already"
        assert figures.reaches("pool_unfinished", 0)
        again = httpx.post(f"{server.url}/sessions/{session.id}/step", json=step, trust_env=False)
        assert again.json()["observation"] == "1"
