"""Tokens at the gateway: whom it lets in, and what it shows to the servers behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateways import RunningGateway
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

RED = call("set", key="color", value="red")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tokens")
    found = {name: folder / name for name in ("clients", "rewards", "servers")}
    for name, path in found.items():
        path.write_text(f"token-of-{name}\n")
    return found


@pytest.fixture(scope="module")
def server(files: dict[str, Path]) -> Iterator[BackgroundServer]:
    settings = Settings(token_file=files["servers"])
    with BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3)), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def url(server: BackgroundServer, files: dict[str, Path]) -> Iterator[str]:
    with RunningGateway(
        f"toy={server.url}",
        token_file=files["clients"],
        reward_token_file=files["rewards"],
        upstream_token_file=files["servers"],
    ) as running:
        yield running.url


def test_each_side_has_a_token_of_its_own(url: str) -> None:
    with Client(f"{url}/toy", token="token-of-clients") as client:
        assert client.verify("toy/a:0", RED).reward == 1.0
        with client.session(task_id="goal-1") as session:
            session.step(RED)


@pytest.mark.parametrize(
    "path",
    [
        "/metadata",
        "/metrics",
        "/toy/metadata",
        "/toy/pivots",
        "/toy/docs",
        "/toy/health/x",
        "/toy/%2Fhealth",
        "/other/pivots",
        "/openapi.json",
        "/toy",
        "/a/toy/health",
        "/toy/..%2Fhealth",
    ],
)
@pytest.mark.parametrize("token", [None, "token-of-servers", "token-of-rewards"])
def test_without_the_gateways_token_nothing_is_told(url: str, path: str, token: str | None) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = httpx.get(url + path, headers=headers, trust_env=False)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/health", "/ready", "/toy/health", "/toy/ready"])
def test_health_is_open(url: str, path: str) -> None:
    assert httpx.get(url + path, trust_env=False).status_code == 200


def reward(url: str, token: str) -> httpx.Response:
    body = {"query": ["p a"], "prompts": ["p"], "labels": ["toy/a:0"]}
    return httpx.post(f"{url}/toy/reward/{token}", json=body, trust_env=False)


def test_reward_route_takes_the_gateways_reward_token(url: str) -> None:
    answer = reward(url, "token-of-rewards")

    assert (answer.status_code, answer.json()["rewards"]) == (200, [0.0])


@pytest.mark.parametrize("token", ["token-of-clients", "token-of-servers", "x", "token-of-rewards%2Fx", ""])
def test_reward_route_takes_no_other(url: str, token: str) -> None:
    assert reward(url, token).status_code == 401


def test_gateways_own_token_serves_for_the_servers_too(server: BackgroundServer, files: dict[str, Path]) -> None:
    with (
        RunningGateway(f"toy={server.url}", token_file=files["servers"]) as running,
        Client(f"{running.url}/toy", token="token-of-servers") as client,
    ):
        assert client.verify("toy/a:0", RED).reward == 1.0


def test_servers_with_another_token_are_not_ready(server: BackgroundServer) -> None:
    with RunningGateway(f"toy={server.url}", wait=False) as running:
        answer = httpx.get(f"{running.url}/toy/ready", trust_env=False)

    assert answer.status_code == 503
    assert "unready: it refuses the gateway's token" in answer.json()["message"]


def test_no_token_is_logged(url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level("DEBUG"):
        reward(url, "token-of-rewards")
        httpx.get(f"{url}/metadata", headers={"authorization": "Bearer token-of-clients"}, trust_env=False)
    own = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    printed = capfd.readouterr()

    assert "token-of" not in own + printed.out + printed.err
