from __future__ import annotations

import logging

import httpx
import pytest
from toy_domain import call

from pivotgym.core.errors import InfrastructureError, InputError, VerifierFailed
from pivotgym.servers.client import Client
from pivotgym.servers.wire import as_error, encode, error_reply


def test_message_is_an_id_and_the_log_has_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="pivotgym.servers"):
        error = as_error(KeyError("secret-of-the-inside"))
    assert isinstance(error, InfrastructureError)
    assert error.message == f"the server failed unexpectedly (error id {error.details['error_id']})"
    assert error.details["error_id"] in caplog.text
    assert "secret-of-the-inside" in caplog.text


def test_cause_of_an_infrastructure_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = VerifierFailed("comparing")
    error.__cause__ = KeyError("secret-of-the-inside")
    with caplog.at_level(logging.ERROR, logger="pivotgym.servers"):
        assert as_error(error) is error
    assert "secret-of-the-inside" in caplog.text


def test_nesting_too_deep_is_the_callers_fault() -> None:
    error = VerifierFailed("comparing")
    error.__cause__ = RecursionError()
    for failure in (RecursionError(), error):
        assert isinstance(as_error(failure), InputError)


def test_crashed_world_ends_the_session_and_tells_nothing(http: httpx.Client, client: Client) -> None:
    with client.session(task_id="goal-0") as session:
        body = {"action": call("crash").to_json()}
        answers = [http.post(f"/sessions/{session.id}/step", json=body) for _ in range(2)]
        assert [(answer.status_code, answer.json()["retryable"]) for answer in answers] == [(503, True)] * 2
        assert "secret-of-the-inside" not in answers[0].text + answers[1].text
        assert answers[0].json()["session_id"] == session.id


def test_values_without_a_json_form_are_still_written() -> None:
    assert encode({"a": float("nan"), "b": 1}) == b'{"a":null,"b":1}'
    assert encode({"a": "\ud800"}) == b'{"a": "\\ud800"}'


def test_retry_after_is_at_least_a_second() -> None:
    headers = dict(error_reply(InfrastructureError("x", retry_after_s=0.2)).headers)
    assert headers[b"retry-after"] == b"1"
