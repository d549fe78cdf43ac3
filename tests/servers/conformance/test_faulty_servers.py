"""Each check of the wire finds the fault it is there for, in a server of somebody else's."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from broken_server import Forward
from fastapi import Request
from gateways import RunningGateway
from sound_domain import Shelf, ShelfDomain

from pivotgym.core.messages import ToolCall
from pivotgym.servers.conformance.findings import Result
from pivotgym.servers.serve import BackgroundServer

Checking = Callable[..., dict[str, Result]]


def ignores_what_it_does_not_know(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    sent = json.loads(body or b"{}")
    sent.pop("surprise_of_the_check", None)
    sent.pop("options", None)
    return forward(json.dumps(sent).encode() if body else b"")


def breaks_at_what_is_not_there(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    answer = forward()
    return httpx.Response(500, text="Traceback") if answer.status_code == 404 else answer


def goes_on_after_the_end(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    answer = forward()
    return httpx.Response(200, json={}) if answer.status_code == 409 else answer


def forgets_sessions() -> Callable[[Request, bytes, Forward], httpx.Response]:
    seen: Counter[str] = Counter()

    def broken(request: Request, body: bytes, forward: Forward) -> httpx.Response:
        seen[f"{request.method} {request.url.path}"] += 1
        again = request.url.path.startswith("/sessions/") and seen[f"{request.method} {request.url.path}"] > 1
        if request.method in ("GET", "DELETE") and again:
            return httpx.Response(404, json={"code": "not_found", "message": "who?"})
        return forward()

    return broken


def forgets_keys(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    sent = json.loads(body or b"{}")
    sent.pop("idempotency_key", None)
    return forward(json.dumps(sent).encode() if body else b"")


def refuses_without_a_time(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    answer = forward()
    answer.headers.pop("retry-after", None)
    return answer


def breaks_when_late(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    answer = forward()
    return httpx.Response(500, text="late") if answer.status_code == 504 else answer


def pays_in_batches(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    answer = forward()
    if not request.url.path.endswith("/batch"):
        return answer
    text = answer.text.replace('"reward":0.0,"outcome":"different"', '"reward":1.0,"outcome":"equivalent"')
    return httpx.Response(200, content=text.replace('"outcome":"invalid"', '"outcome":"different"'))


def closes_nothing(request: Request, body: bytes, forward: Forward) -> httpx.Response:
    return httpx.Response(200, json={}) if request.method == "DELETE" else forward()


FAULTS = {
    "unknown_options_refused": (ignores_what_it_does_not_know, "422 naming the field"),
    "mistakes_named": (breaks_at_what_is_not_there, "expected 404 with `code` and `message`, got 500 Traceback"),
    "ended_stays_ended": (goes_on_after_the_end, "expected 409, got 200"),
    "reconnects": (forgets_sessions(), "expected it as it was, got 404"),
    "repeats_done_once": (forgets_keys, "making a session twice under one key: expected one session, got 2"),
    "close_idempotent": (forgets_sessions(), "DELETE, time 2: expected 200, got 404"),
    "capacity_refused": (refuses_without_a_time, "expected 503 `full` with Retry-After"),
    "batch_agrees": (pays_in_batches, "expected in a batch what it gets alone"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_the_server_is_found(checking: Checking, name: str) -> None:
    broken, said = FAULTS[name]
    result = checking(None, name, broken=broken)[name]
    assert result.status == "failed"
    assert any(said in str(finding) for finding in result.findings), result.findings


class Slow(Shelf):
    def call(self, call: ToolCall) -> str:
        time.sleep(0.05)
        return super().call(call)


class SlowDomain(ShelfDomain):
    kind = Slow


def test_a_server_that_breaks_when_late_is_found(checking: Checking) -> None:
    result = checking(SlowDomain(), "time_outs_kept", broken=breaks_when_late)["time_outs_kept"]
    assert any("expected an answer, or `timeout` or `warming`" in str(finding) for finding in result.findings)


def test_a_slow_domain_keeps_its_time_outs(checking: Checking) -> None:
    assert checking(SlowDomain(), "time_outs_kept")["time_outs_kept"].status == "passed"


@pytest.mark.slow
def test_sessions_that_stay_are_found(checking: Checking) -> None:
    result = checking(ShelfDomain(), "nothing_leaks", broken=closes_nothing, sessions=5)["nothing_leaks"]
    assert any("expected 0 live sessions" in str(finding) for finding in result.findings)


def test_once_the_server_is_gone_the_rest_is_skipped(checking: Checking) -> None:
    calls = Counter[str]()

    def dies(request: Request, body: bytes, forward: Forward) -> httpx.Response:
        calls["health"] += request.url.path == "/health"
        return httpx.Response(503, json={}) if calls["health"] > 1 else forward()

    found = checking(None, "expert_accepted", "noop_refused", broken=dies)
    assert [result.status for result in found.values()] == ["passed", "skipped"]
    assert found["noop_refused"].note.startswith("the server is gone")


@pytest.mark.slow
def test_a_sound_server_passes_through_a_gateway(checking: Checking, sound: BackgroundServer) -> None:
    with RunningGateway(f"shelf={sound.url}") as gateway:
        found = checking(None, url=f"{gateway.url}/shelf")
    assert [(name, result.findings) for name, result in found.items() if result.status == "failed"] == []
