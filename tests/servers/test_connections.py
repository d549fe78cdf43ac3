"""What a connection may cost: size of the head, time of the request, the rest of a body nobody reads."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def connection(server: BackgroundServer) -> Iterator[socket.socket]:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        yield wire


def read_all(wire: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := wire.recv(65536):
        parts.append(part)
    return b"".join(parts)


def refusal(raw: bytes) -> tuple[int, str, str]:
    """Status, code and message of the one answer in `raw`, after which the connection is closed."""
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    told: dict[str, Any] = json.loads(body)
    assert {"code", "message", "hint", "session_id", "retryable"} <= set(told)
    return int(head.split()[1]), told["code"], told["message"]


HEADS = {
    "one long header": GET + b"x: " + b"a" * 40_000 + b"\r\n\r\n",
    "many headers": GET + b"".join(b"h%d: v\r\n" % n for n in range(6000)) + b"\r\n",
    "a long address": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without an end": GET + b"x: " + b"a" * 40_000,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_head_over_the_limit_is_431(server: BackgroundServer, head: bytes) -> None:
    with connection(server) as wire:
        wire.sendall(head)
        assert refusal(read_all(wire)) == (
            431,
            "head_too_large",
            "headers: expected at most 32768 bytes with the address, got more",
        )


def test_head_under_the_limit_with_a_large_body_is_no_matter(http: httpx.Client) -> None:
    answer = http.post("/verify", content=b'"' + b"x" * 190_000 + b'"', headers={"x-long": "a" * 30_000})
    assert answer.json()["code"] == "invalid_input"


def test_head_that_comes_slowly_is_408(serving: Serving) -> None:
    with connection(serving(receive_timeout_s=0.2)) as wire:
        wire.sendall(GET)
        status, code, message = refusal(read_all(wire))
    assert (status, code) == (408, "too_slow")
    assert message == "expected the whole request within 0.2 s, it had not come"


def test_body_that_comes_slowly_is_408_and_the_request_is_not_counted_as_answered(serving: Serving) -> None:
    server = serving(receive_timeout_s=0.2)
    with connection(server) as wire:
        wire.sendall(b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert refusal(read_all(wire))[:2] == (408, "too_slow")
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200


def test_connection_that_asks_nothing_is_closed_without_an_answer(serving: Serving) -> None:
    with connection(serving(receive_timeout_s=0.2)) as wire:
        assert read_all(wire) == b""


def test_slow_answer_is_no_slow_request(serving: Serving) -> None:
    server = serving(receive_timeout_s=0.2)
    body = {"pivot_id": "toy/a:0", "action": {"tool_calls": [{"function": {"name": "sleep", "arguments": {}}}]}}
    body["action"]["tool_calls"][0]["function"]["arguments"] = '{"seconds": 0.5}'  # type: ignore[index]
    assert httpx.post(f"{server.url}/verify", json=body, trust_env=False).status_code == 200


def test_connection_outlives_the_receive_timeout_between_requests(serving: Serving) -> None:
    server = serving(receive_timeout_s=0.1)
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        http.get("/health")
        time.sleep(0.3)
        with connection(server) as wire:
            for _ in range(2):
                wire.sendall(GET + b"\r\n")
                assert wire.recv(4096).startswith(b"HTTP/1.1 200")
                time.sleep(0.2)


def test_hundred_megabytes_are_refused_unread(http: httpx.Client) -> None:
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b"x" * 2**20

    answer = http.post("/verify", content=body(), headers={"content-length": str(100 * 2**20)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert taken < 50


def test_connection_is_kept_after_a_refused_body_that_is_small(server: BackgroundServer) -> None:
    with connection(server) as wire:
        size = 200_001
        wire.sendall(b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        answer = b""
        while b'"too_large"' not in answer:
            answer += wire.recv(65536)
        wire.sendall(GET + b"\r\n")
        assert b'{"status":"ok"}' in wire.recv(65536)


def test_client_that_never_sends_its_refused_body_is_let_go(server: BackgroundServer) -> None:
    with connection(server) as wire:
        wire.sendall(b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        assert read_all(wire).startswith(b"HTTP/1.1 413")


@given(junk=st.binary(min_size=1, max_size=60).filter(lambda junk: junk.strip(b"\r\n")))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_no_http_is_400(server: BackgroundServer, junk: bytes) -> None:
    with connection(server) as wire:
        wire.sendall(b"\x00" + junk + b"\r\n\r\n")
        assert refusal(read_all(wire)) == (400, "bad_request", "expected an HTTP/1.1 request, got something else")


def test_refusal_is_never_the_answer_to_the_request_before(server: BackgroundServer) -> None:
    action = {"tool_calls": [{"function": {"name": "sleep", "arguments": '{"seconds": 0.3}'}}]}
    body = json.dumps({"pivot_id": "toy/a:1", "action": action}).encode()
    with connection(server) as wire:
        wire.sendall(b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.1)
        wire.sendall(b"\x00 no request\r\n\r\n")
        assert b"bad_request" not in read_all(wire)
