from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from toy_domain import StoreDomain, call

from pivotgym.core.errors import ConfigError, Unauthorized
from pivotgym.servers.app import create_app
from pivotgym.servers.auth import Redact
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings, is_loopback, read_tokens

Serving = Callable[..., BackgroundServer]
RED = call("set", key="color", value="red")


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, Path]:
    bearer, reward = tmp_path / "token", tmp_path / "reward"
    bearer.write_text("bearer-secret\n")
    reward.write_text("reward-secret\n")
    return {"token_file": bearer, "reward_token_file": reward}


@pytest.fixture
def guarded(serving: Serving, tokens: dict[str, Path]) -> BackgroundServer:
    return serving(**tokens)


def test_only_health_and_ready_are_open(guarded: BackgroundServer) -> None:
    with httpx.Client(base_url=guarded.url, trust_env=False) as http:
        statuses = {
            path: http.get(path).status_code for path in ("/health", "/ready", "/metadata", "/metrics", "/docs")
        }
    assert statuses == {"/health": 200, "/ready": 200, "/metadata": 401, "/metrics": 401, "/docs": 401}


def test_the_token_opens(guarded: BackgroundServer) -> None:
    with Client(guarded.url, token="bearer-secret") as client:
        assert client.verify("toy/a:0", RED).reward == 1.0


def test_another_token_does_not(guarded: BackgroundServer) -> None:
    refused = pytest.raises(Unauthorized, match="expected the server's bearer token, got another")
    with Client(guarded.url, token="bearer-secreT") as client, refused:
        client.metadata()


def test_no_token_is_named_as_that(guarded: BackgroundServer) -> None:
    answer = httpx.get(f"{guarded.url}/metadata", trust_env=False)
    assert answer.json()["message"] == "Authorization: expected the server's bearer token, got none"
    assert answer.headers["www-authenticate"] == "Bearer"


def reward_body() -> dict[str, Any]:
    answer = '<tool_call>\n{"name": "set", "arguments": {"key": "color", "value": "red"}}\n</tool_call>'
    return {"query": ["P" + answer], "prompts": ["P"], "labels": ["toy/a:0"]}


def test_reward_token_opens_its_route_without_a_header(guarded: BackgroundServer) -> None:
    answer = httpx.post(f"{guarded.url}/reward/reward-secret", json=reward_body(), trust_env=False)
    assert answer.json()["rewards"] == [1.0]


def test_reward_token_opens_nothing_else(guarded: BackgroundServer) -> None:
    with Client(guarded.url, token="reward-secret") as client, pytest.raises(Unauthorized):
        client.metadata()


def test_wrong_reward_token_is_401(guarded: BackgroundServer) -> None:
    answer = httpx.post(f"{guarded.url}/reward/bearer-secret", json=reward_body(), trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["message"] == "/reward/{token}: expected the server's reward token, got another"


def test_reward_token_where_the_server_has_none_is_401(server: BackgroundServer) -> None:
    answer = httpx.post(f"{server.url}/reward/x", json=reward_body(), trust_env=False)
    assert answer.status_code == 401
    assert "got one, but this server has none" in answer.json()["message"]


def test_reward_token_is_redacted_in_logs() -> None:
    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s "%s %s"', ("::1", "POST", "/reward/reward-secret?x=1"), None
    )
    assert Redact().filter(record)
    assert record.getMessage() == '::1 "POST /reward/<redacted>?x=1"'


def test_reward_token_is_no_metrics_label(guarded: BackgroundServer) -> None:
    httpx.post(f"{guarded.url}/reward/reward-secret", json=reward_body(), trust_env=False)
    headers = {"authorization": "Bearer bearer-secret"}
    page = httpx.get(f"{guarded.url}/metrics", headers=headers, trust_env=False).text
    assert "reward-secret" not in page
    assert 'route="POST /reward/{token}"' in page


def test_open_bind_without_a_token_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"host: '0\.0\.0\.0' can be reached from other machines") as caught:
        create_app(StoreDomain(), settings=Settings(host="0.0.0.0"))
    assert "PIVOTGYM_TOKEN_FILE" in str(caught.value)


def test_open_bind_with_a_token_is_allowed(tokens: dict[str, Path]) -> None:
    assert read_tokens(Settings(host="0.0.0.0", **tokens)) == ("bearer-secret", "reward-secret")


def test_token_file_is_found_by_the_environment(tokens: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_TOKEN_FILE", str(tokens["token_file"]))
    assert read_tokens(Settings()).bearer == "bearer-secret"


def test_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"PIVOTGYM_TOKEN_FILE: expected a readable text file, got .*nowhere"):
        read_tokens(Settings(token_file=tmp_path / "nowhere"))


@pytest.mark.parametrize("text", ["", "  \n", "two words", "tökén"])
def test_token_must_be_one_printable_word(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="expected one token of printable ASCII"):
        read_tokens(Settings(token_file=path))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x.org", False)],
)
def test_loopback_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_unknown_reward_format_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"reward_format: expected one of \['hermes'.*, got 'klingon'"):
        create_app(StoreDomain(), settings=Settings(reward_format="klingon"))


def test_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="server settings: prot: Extra inputs are not permitted"):
        Settings.load({"prot": 80})
