"""No input gets a 500, a stack trace or an answer that is not JSON."""

from __future__ import annotations

import gzip
import json
import socket
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_domain import call

from pivotgym.servers.serve import BackgroundServer

POSTS = ["/verify", "/verify/batch", "/sessions", "/sessions/x/step", "/sessions/x/fork", "/pivots"]
POSTS += ["/pivots/prepare", "/reset", "/step", "/reward", "/reward/x"]
RED = call("set", key="color", value="red").to_json()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "pivot_id",
    "pivot",
    "action",
    "items",
    "seed",
    "options",
    "pivots",
    "query",
    "labels",
    "session_id",
    "timeout_s",
]
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5)


def post(http: httpx.Client, path: str, body: bytes) -> httpx.Response:
    answer = http.post(path, content=body)
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, answer.text
        assert {"code", "message", "hint", "session_id", "retryable"} <= set(answer.json())
        assert answer.json()["hint"]
        assert "Traceback" not in answer.text
    return answer


@given(path=st.sampled_from(POSTS), body=bodies)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_body_is_answered(http: httpx.Client, path: str, body: Any) -> None:
    post(http, path, json.dumps(body).encode())


@given(path=st.sampled_from(POSTS), body=st.binary(max_size=40))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_answered(http: httpx.Client, path: str, body: bytes) -> None:
    post(http, path, body)


@given(action=json_values, pivot_id=st.just("toy/a:0") | json_values)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_action_is_answered(http: httpx.Client, action: Any, pivot_id: Any) -> None:
    body = json.dumps({"pivot_id": pivot_id, "action": action}).encode()
    post(http, "/verify", body)
    post(http, "/verify/batch", b'{"items": [' + body + b"]}")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b'{"pivot_id": NaN}',
        b'{"pivot_id": "\\ud800", "action": {}}',
        b'{"pivot_id": "\xff"}',
        b'{"seed": 1' + b"0" * 5000 + b"}",
        b'{"timeout_s": 1e400}',
        b"[" * 100_000,
        b'{"action":' * 3000 + b"1" + b"}" * 3000,
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("path", POSTS)
def test_broken_bodies_are_refused(http: httpx.Client, path: str, body: bytes) -> None:
    answer = post(http, path, body)
    assert answer.status_code != 200 or body == b""


def test_body_that_is_not_json_says_so(http: httpx.Client) -> None:
    answer = http.post("/verify", content=b"{")
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("body: expected JSON, got something else: EOF while parsing")


@pytest.mark.parametrize("arguments", ['{"key": "\\ud800", "value": "\\udfff"}', '{"value": NaN}', '{"value": 1e999}'])
def test_arguments_that_json_has_no_form_for_are_answered(http: httpx.Client, arguments: str) -> None:
    action = {"tool_calls": [{"function": {"name": "set", "arguments": arguments}}]}
    assert post(http, "/verify", json.dumps({"pivot_id": "toy/a:0", "action": action}).encode()).status_code == 200


def test_observation_with_a_lone_surrogate_is_answered(http: httpx.Client) -> None:
    session = http.post("/sessions", json={"task_id": "goal-0"}).json()["session_id"]
    action = {"tool_calls": [{"function": {"name": "set", "arguments": '{"key": "k", "value": "\\ud800"}'}}]}
    answer = http.post(f"/sessions/{session}/step", json={"action": action})
    assert answer.json()["observation"] == "\ud800"
    http.delete(f"/sessions/{session}")


def test_unknown_route_is_404(http: httpx.Client) -> None:
    answer = http.get("/pivot")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["message"] == "GET /pivot: no such route"


def test_wrong_method_is_405_and_names_the_right_one(http: httpx.Client) -> None:
    answer = http.get("/verify")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.json()["message"] == "GET /verify: expected POST"


def test_body_over_the_limit_is_413(http: httpx.Client) -> None:
    answer = http.post("/verify", content=b"x" * 200_001)
    assert answer.status_code == 413
    assert answer.json()["message"] == "body: expected at most 200000 bytes, got more"


def test_compressed_body_is_not_unpacked(http: httpx.Client) -> None:
    body = gzip.compress(b'{"pivot_id": "' + b" " * 10_000_000 + b'"}')
    answer = http.post("/verify", content=body, headers={"content-encoding": "gzip"})
    assert answer.json()["message"].startswith("body: expected JSON, got something else")


def test_streamed_body_over_the_limit_is_413(http: httpx.Client) -> None:
    answer = http.post("/verify", content=(b"x" * 10_000 for _ in range(30)))
    assert answer.status_code == 413


def test_half_a_request_does_no_harm(server: BackgroundServer, http: httpx.Client) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("field", [{"timeout_s": True}, {"timeout_s": "5"}, {"timeout_s": 0}, {"timeout_s": [1]}])
@pytest.mark.parametrize("path", ["/verify", "/verify/batch", "/sessions", "/sessions/x/step", "/pivots/prepare"])
def test_time_out_that_is_no_number_above_zero_is_refused(http: httpx.Client, path: str, field: dict[str, Any]) -> None:
    base = {"/verify": {"action": RED, "pivot_id": "toy/a:0"}, "/verify/batch": {"items": []}}
    base |= {
        "/sessions": {"task_id": "goal-0"},
        "/sessions/x/step": {"action": RED},
        "/pivots/prepare": {"pivot_ids": []},
    }
    session = http.post("/sessions", json={"task_id": "goal-0"}).json()["session_id"]
    answer = http.post(path.replace("x", session), json=base[path] | field)
    http.delete(f"/sessions/{session}")
    assert answer.status_code == 422
    assert "timeout_s" in answer.json()["message"]


@pytest.mark.parametrize("field", [{"seed": True}, {"seed": "1"}, {"seed": 1.5}, {"seed": -1}, {"seed": 2**63}])
def test_seed_that_is_no_whole_number_is_refused(http: httpx.Client, field: dict[str, Any]) -> None:
    answer = http.post("/sessions", json={"task_id": "goal-0"} | field)
    assert answer.status_code == 422
    assert "seed" in answer.json()["message"]
