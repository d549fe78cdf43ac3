"""A bad *expected* action is the pivot's fault: a 4xx, never a reward."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from toy_domain import call, make_pivot

RED = call("set", key="color", value="red").to_json()


def expert(**fields: Any) -> dict[str, Any]:
    return make_pivot(200).to_json() | {"reference": {"role": "assistant", **fields}}


def calling(name: str, arguments: str) -> dict[str, Any]:
    return expert(tool_calls=[{"type": "function", "function": {"name": name, "arguments": arguments}}])


BAD = {
    "is empty": expert(content=" "),
    "was cut at its token limit": expert(content="I will", truncated=True),
    "has arguments in call 0 that are no JSON object": calling("set", '{"key": '),
    "calls 'fly', which is none of the 5 tools offered": calling("fly", "{}"),
}


@pytest.fixture(params=BAD.items(), ids=BAD.keys())
def bad(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    problem, pivot = request.param
    return f"pivot.reference: the expert's action of pivot 'toy/a:200' {problem}", pivot


def assert_refused(body: dict[str, Any], message: str) -> None:
    assert (body["code"], body["message"], body["retryable"]) == ("pivot_refused", message, False)
    assert body["hint"] == "mend the pivot; no action can be scored against it"


def test_verify_refuses(http: httpx.Client, bad: tuple[str, dict[str, Any]]) -> None:
    message, pivot = bad
    for action in (RED, pivot["reference"]):
        answer = http.post("/verify", json={"pivot": pivot, "action": action})
        assert answer.status_code == 422
        assert_refused(answer.json(), message)


def test_batch_refuses_that_item(http: httpx.Client, bad: tuple[str, dict[str, Any]]) -> None:
    message, pivot = bad
    items = [{"pivot": pivot, "action": RED}, {"pivot_id": "toy/a:0", "action": RED}]
    refused, fine = http.post("/verify/batch", json={"items": items}).json()["results"]
    assert_refused(refused["error"], message)
    assert fine["reward"] == 1.0


def test_session_refuses(http: httpx.Client, bad: tuple[str, dict[str, Any]]) -> None:
    message, pivot = bad
    answer = http.post("/sessions", json={"pivot": pivot})
    assert answer.status_code == 422
    assert_refused(answer.json(), message)


def test_session_at_a_turn_refuses(http: httpx.Client) -> None:
    pivot = BAD["is empty"] | {"id": "toy/empty:3"}
    assert http.post("/pivots", json={"pivots": [pivot]}).status_code == 200
    answer = http.post("/sessions", json={"trajectory_id": "toy/empty", "turn": 3})
    assert (answer.status_code, answer.json()["code"]) == (422, "pivot_refused")


def test_reward_refuses(http: httpx.Client) -> None:
    http.post("/pivots", json={"pivots": [BAD["is empty"] | {"id": "toy/empty:4"}]})
    answer = http.post("/reward", json={"query": ["Px"], "prompts": ["P"], "labels": ["toy/empty:4"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "pivot_refused")
