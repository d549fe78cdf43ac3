"""A call whose state is not built in time says so, and the building goes on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from toy_domain import call, make_pivot

from pivotgym.core.errors import Warming
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client

GET = call("get", key="x")


def slow(number: int) -> Pivot:
    return make_pivot(number, origin={"kind": "store", "delay_s": 0.4, "number": number})


def assert_warming(answer: httpx.Response) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"], answer.headers["retry-after"]) == (503, "warming", "1")
    assert body["message"].startswith("the state is still being built: ")
    assert "POST /pivots/prepare builds ahead" in body["hint"]


def test_verify_is_warming_and_then_there(http: httpx.Client, client: Client) -> None:
    client.add_pivots([slow(100)])
    body = {"pivot_id": "toy/a:100", "action": GET.to_json()}
    assert_warming(http.post("/verify", json={**body, "timeout_s": 0.05}))
    assert http.post("/verify", json={**body, "timeout_s": 5}).status_code == 200


def test_batch_is_warming_item_by_item(http: httpx.Client, client: Client) -> None:
    client.add_pivots([slow(101)])
    items: list[dict[str, Any]] = [
        {"pivot_id": f"toy/a:{n}", "action": call("set", key="color", value="red").to_json()} for n in (0, 101)
    ]
    items[1]["action"] = GET.to_json()
    first, second = http.post("/verify/batch", json={"items": items, "timeout_s": 0.1}).json()["results"]
    assert (first["reward"], second["error"]["code"], second["error"]["retryable"]) == (1.0, "warming", True)


def test_prepare_is_warming_for_what_is_not_built(client: Client) -> None:
    client.add_pivots([slow(102)])
    (refused,) = client.prepare(["toy/a:102"], timeout_s=0.05).refused.values()
    assert isinstance(refused, Warming)


@pytest.mark.parametrize("route", ["/sessions", "/reset"])
def test_reset_is_warming_and_a_repeat_gets_it(http: httpx.Client, route: str) -> None:
    body = {"pivot": slow(103).to_json() | {"id": f"w{route}:0"}, "idempotency_key": f"warm{route}"}
    body["pivot"]["origin"]["route"] = route
    assert_warming(http.post(route, json={**body, "timeout_s": 0.05}))
    session_id = http.post(route, json={**body, "timeout_s": 5}).json()["session_id"]
    assert http.delete(f"/sessions/{session_id}").status_code == 200


def test_reset_in_place_is_warming(http: httpx.Client) -> None:
    session_id = http.post("/sessions", json={"task_id": "goal-0"}).json()["session_id"]
    body = {"session_id": session_id, "pivot": slow(104).to_json(), "timeout_s": 0.05}
    assert_warming(http.post("/reset", json=body))
    http.delete(f"/sessions/{session_id}")


def test_slow_action_in_a_built_state_is_a_timeout(http: httpx.Client, client: Client) -> None:
    client.prepare(["toy/a:3"])
    body = {"pivot_id": "toy/a:3", "action": call("sleep", seconds=0.4).to_json(), "timeout_s": 0.05}
    answer = http.post("/verify", json=body)
    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")


def test_client_waits_for_a_warming_state(server: Any) -> None:
    with Client(server.url, retries=8) as patient:
        patient.add_pivots([slow(105)])
        assert patient.verify("toy/a:105", GET, timeout_s=0.1).outcome == "different"
