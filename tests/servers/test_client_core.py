"""The client's decisions, without any I/O."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest

from pivotgym.core.errors import (
    ConfigError,
    Full,
    InfrastructureError,
    NotFound,
    PivotGymError,
    Unreachable,
    WorldFailed,
)
from pivotgym.servers.client import VerifyItem
from pivotgym.servers.client._core import Attempts, Options, Request, Wait, in_path, request
from pivotgym.servers.client.calls import split
from pivotgym.servers.wire import encode

URL = "http://server:1"


def attempts(retries: int = 2, deadline_s: float = 100.0, **fields: Any) -> Attempts[Any]:
    asked: Request[Any] = Request("GET", "/x", dict, **fields)
    return Attempts(asked, Options(URL, None, 30.0, retries, deadline_s), begun=0.0, rng=random.Random(0))


def answer(error: PivotGymError) -> bytes:
    return encode(error.to_wire())


def test_good_answer_is_read() -> None:
    assert attempts().answered(200, None, b'{"a": 1}', 0.0) == {"a": 1}


def test_error_of_the_caller_is_raised_at_once() -> None:
    with pytest.raises(NotFound, match="no pivot"):
        attempts().answered(404, None, answer(NotFound("no pivot")), 0.0)


def test_full_server_is_asked_again_until_the_tries_are_used() -> None:
    trying = attempts(retries=2)
    for _ in range(2):
        assert isinstance(trying.answered(503, None, answer(Full("no slot")), 0.0), Wait)
    with pytest.raises(Full, match="no slot"):
        trying.answered(503, None, answer(Full("no slot")), 0.0)


def test_retry_after_is_honoured() -> None:
    outcome = attempts().answered(503, "7", answer(Full("no slot")), 0.0)
    assert isinstance(outcome, Wait)
    assert outcome == 7.0


def test_waits_grow_and_jitter() -> None:
    trying = attempts(retries=6)
    waits = [trying.unanswered(OSError("down"), 0.0) for _ in range(6)]
    for number, wait in enumerate(waits, start=1):
        most = min(5.0, 0.1 * 2**number)
        assert most / 2 <= wait <= most


def test_no_try_is_begun_after_the_deadline() -> None:
    with pytest.raises(Full):
        attempts(deadline_s=5).answered(503, "7", answer(Full("no slot")), 0.0)


def test_time_out_of_a_try_ends_at_the_deadline() -> None:
    assert attempts(deadline_s=10).timeout_s(now=4.0) == 6.0
    assert attempts().timeout_s(now=0.0) == 30.0
    assert attempts(timeout_s=3.0).timeout_s(now=0.0) == 3.0


def test_no_answer_at_all_is_unreachable_and_says_where_and_how_often() -> None:
    trying = attempts(retries=1)
    trying.unanswered(httpx.ConnectError("refused"), 0.0)
    with pytest.raises(Unreachable, match="GET http://server:1/x: no answer in 2 tries within 100 s") as caught:
        trying.unanswered(httpx.ConnectError("refused"), 0.0)
    assert caught.value.details == {"url": "http://server:1/x", "attempts": 2}


def test_broken_world_is_tried_again_for_scoring_but_not_in_a_session() -> None:
    body = answer(WorldFailed("fire"))
    assert isinstance(attempts(pure=True).answered(503, None, body, 0.0), Wait)
    with pytest.raises(WorldFailed):
        attempts(pure=False).answered(503, None, body, 0.0)


@pytest.mark.parametrize("content", [b"<html>502 Bad Gateway</html>", b"[1]", b'{"detail": "x"}'])
def test_answer_of_something_else_says_so(content: bytes) -> None:
    with pytest.raises(InfrastructureError, match="expected a PivotGym answer, got status 502 with something else"):
        attempts(retries=0).answered(502, None, content, 0.0)


def test_unset_fields_are_left_out_and_the_timeout_is_told() -> None:
    made = request("POST", "/x", dict, {"a": 1, "b": None}, timeout_s=2.0)
    assert (made.body, made.timeout_s) == (b'{"a": 1, "timeout_s": 2.0}', 7.0)


def test_ids_are_quoted_in_paths() -> None:
    assert in_path("a/b c:1?") == "a%2Fb%20c%3A1%3F"


@pytest.mark.parametrize("url", ["server:1", "ftp://server", ""])
def test_address_must_be_http(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url: expected an http or https address, got"):
        Options(url, None, 1.0, 0, 1.0)


@pytest.mark.parametrize("numbers", [(0.0, 0, 1.0), (1.0, -1, 1.0), (1.0, 0, 0.0)])
def test_limits_must_be_positive(numbers: tuple[float, int, float]) -> None:
    with pytest.raises(ConfigError, match="retries, timeout_s, deadline_s: expected"):
        Options(URL, None, *numbers)


def test_large_batches_are_split_in_order() -> None:
    items = [VerifyItem("a", [{}] * 3), VerifyItem("b", []), VerifyItem("c", [{}] * 4)]
    shape = [([len(item.actions) for item in batch], places) for batch, places in split(items, most=2)]
    assert shape == [([2], [0]), ([1, 1], [0, 2]), ([2], [2]), ([1], [2])]
