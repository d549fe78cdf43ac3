from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from toy_domain import call

from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer


def step_body(key: str | None, /, **arguments: Any) -> dict[str, Any]:
    return {"action": call("set", **arguments).to_json(), "idempotency_key": key}


def steps(http: httpx.Client, session_id: str) -> int:
    return int(http.get(f"/sessions/{session_id}").json()["steps"])


def test_repeated_step_is_carried_out_once(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        body = step_body("k1", key="a", value=1)
        answers = [http.post(f"/sessions/{session.id}/step", json=body) for _ in range(3)]
        assert len({answer.content for answer in answers}) == 1
        assert steps(http, session.id) == 1


def test_concurrent_repeats_wait_for_the_first(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session, ThreadPoolExecutor(4) as threads:
        body = {"action": call("sleep", seconds=0.3).to_json(), "idempotency_key": "k1"}
        answers = list(threads.map(lambda _: http.post(f"/sessions/{session.id}/step", json=body), range(4)))
        assert {answer.status_code for answer in answers} == {200}
        assert steps(http, session.id) == 1


def test_key_used_for_another_step_is_409(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        http.post(f"/sessions/{session.id}/step", json=step_body("k1", key="a", value=1))
        answer = http.post(f"/sessions/{session.id}/step", json=step_body("k1", key="a", value=2))
    assert answer.status_code == 409
    assert answer.json()["message"] == "idempotency_key: 'k1' was used for a different request"


def test_timeout_may_differ_in_a_repeat(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        url = f"/sessions/{session.id}/step"
        body = {"action": call("sleep", seconds=0.3).to_json(), "idempotency_key": "k1"}
        assert http.post(url, json={**body, "timeout_s": 0.05}).status_code == 504
        assert http.post(url, json={**body, "timeout_s": 5}).status_code == 200
        assert steps(http, session.id) == 1


def test_without_a_key_each_step_counts(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        for _ in range(2):
            http.post(f"/sessions/{session.id}/step", json=step_body(None, key="a", value=1))
        assert steps(http, session.id) == 2


def test_failed_step_is_remembered_too(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        body = {"action": call("break").to_json(), "idempotency_key": "k1"}
        answers = [http.post(f"/sessions/{session.id}/step", json=body) for _ in range(2)]
        assert [answer.json()["code"] for answer in answers] == ["world_failed"] * 2


def test_repeated_creation_gives_the_same_session(http: httpx.Client) -> None:
    body = {"task_id": "goal-0", "idempotency_key": "create-1"}
    first, again = (http.post("/sessions", json=body).json() for _ in range(2))
    assert first == again
    http.delete(f"/sessions/{first['session_id']}")


def test_creation_key_used_for_another_state_is_409(http: httpx.Client) -> None:
    made = http.post("/sessions", json={"task_id": "goal-0", "idempotency_key": "create-2"})
    again = http.post("/sessions", json={"task_id": "goal-1", "idempotency_key": "create-2"})
    assert (made.status_code, again.status_code) == (200, 409)
    http.delete(f"/sessions/{made.json()['session_id']}")


def test_failed_creation_is_tried_anew(http: httpx.Client) -> None:
    body = {"pivot_id": "toy/new:1", "idempotency_key": "create-3"}
    assert [http.post("/sessions", json=body).status_code for _ in range(2)] == [404, 404]


def test_repeated_fork_gives_the_same_copy(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        url = f"/sessions/{session.id}/fork"
        first, again = (http.post(url, json={"idempotency_key": "f1"}).json() for _ in range(2))
        other = http.post(url, json={"idempotency_key": "f2"}).json()
    assert first["session_id"] == again["session_id"] != other["session_id"]


def test_step_survives_a_dropped_connection(server: BackgroundServer, http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        body = {"action": call("sleep", seconds=0.2).to_json(), "idempotency_key": "dropped"}
        content = json.dumps(body).encode()
        host, port = server.url.removeprefix("http://").split(":")
        head = f"POST /sessions/{session.id}/step HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
        with socket.create_connection((host, int(port))) as wire:
            wire.sendall(head.encode() + content)
            time.sleep(0.05)
        answer = http.post(f"/sessions/{session.id}/step", json=body)
        assert answer.status_code == 200
        assert steps(http, session.id) == 1
