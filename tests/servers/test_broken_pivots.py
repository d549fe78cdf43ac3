"""A pivot that cannot be scored against is the caller's fault: a 4xx that says so, never a verdict, never a retry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pivotgym.envs.tool_use import domain
from pivotgym.servers.serve import BackgroundServer

pytestmark = pytest.mark.usefixtures("bfcl")

WORD = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        BackgroundServer(domain(), process=False) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as made,
    ):
        yield made


def acting(arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"type": "function", "function": {"name": "f", "arguments": json.dumps(arguments)}}]}


def pivot(schema: Any = WORD, expert: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": "broken:0",
        "domain": "tool_use",
        "messages": [{"role": "user", "content": "go"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": "", "parameters": schema}}],
        "reference": acting({"x": "a"} if expert is None else expert),
        "origin": {"kind": "none"},
        **fields,
    }


def verified(http: httpx.Client, sent: dict[str, Any], arguments: Any) -> tuple[int, dict[str, Any]]:
    answer = http.post("/verify", json={"pivot": sent, "action": acting(arguments)})
    return answer.status_code, answer.json()


@pytest.mark.parametrize("arguments", [{"x": "a"}, {"y": 1}], ids=["candidate fits", "candidate is the expert's"])
def test_an_expert_that_breaks_the_schema_gets_no_verdict(http: httpx.Client, arguments: Any) -> None:
    status, said = verified(http, pivot(expert={"y": 1}), arguments)
    assert (status, said["code"], said["retryable"]) == (422, "pivot_refused", False)
    assert "the expert's own action is invalid" in said["message"]


@pytest.mark.parametrize(
    "schema",
    [{"properties": [1]}, {"properties": "abc"}, {**WORD, "required": [{}]}, {"properties": {"x": {"minLength": "q"}}}],
    ids=["list", "text", "required", "length"],
)
def test_a_schema_that_is_none_is_refused_for_good(http: httpx.Client, schema: Any) -> None:
    status, said = verified(http, pivot(schema), {"x": "b"})
    assert (status, said["retryable"]) == (422, False), said


@pytest.mark.parametrize("accepted", [[{"f": 5}], [{"f": {"x": 5}}]])
def test_accepted_answers_of_another_shape_are_refused(http: httpx.Client, accepted: Any) -> None:
    status, said = verified(http, pivot(accepted=accepted), {"x": "b"})
    assert (status, said["retryable"]) == (422, False), said


def test_a_pattern_is_never_matched_against_the_policys_text(http: httpx.Client) -> None:
    endless = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}, "required": ["x"]}
    status, said = verified(http, pivot(endless), {"x": "a" * 60 + "!"})
    assert (status, said["outcome"]) == (200, "different")


@pytest.mark.parametrize("name", ["a:\u00b2", "a:" + "9" * 150])
def test_an_id_may_end_in_anything(http: httpx.Client, name: str) -> None:
    assert http.post("/pivots", json={"pivots": [pivot(id=name)]}).status_code == 200


@pytest.mark.parametrize("row", [{"tools": 5}, {"input": [{"type": "reasoning", "content": 5}]}])
def test_a_row_of_nemo_gym_of_another_shape_is_no_failure_of_ours(http: httpx.Client, row: dict[str, Any]) -> None:
    body = {
        "responses_create_params": {"input": [{"role": "user", "content": "go"}], **row},
        "response": {"output": []},
        "expected_action": {"type": "message", "content": "Hello."},
    }
    assert http.post("/nemo_gym/verify", json=body).status_code in (200, 422)
