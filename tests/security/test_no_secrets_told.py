"""Tokens: in no answer, no log, no metric, no error, no page, whatever is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateways import RunningGateway
from run_folders import profiled, write_run
from toy_domain import StoreDomain, make_pivot

from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

SECRETS = {name: f"SECRET-{name}-5e1f0c" for name in ("bearer", "reward", "gateway")}
BODIES = [b"{", b"[]", b'{"pivot_id": "toy/a:0"}', b'{"pivot_id": "nowhere", "action": {}}', b"x" * 3000]
GETS = [
    "/",
    "/health",
    "/ready",
    "/metadata",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/pivots",
    "/tasks",
    "/sessions/x",
    "/no",
]
POSTS = [
    "/verify",
    "/verify/batch",
    "/sessions",
    "/sessions/x/step",
    "/reset",
    "/step",
    "/reward",
    "/pivots",
    "/reward/{}",
]
PAGES = ["/ui", "/ui.json", "/ui/runs", "/ui/runs/demo", "/ui/runs/demo/pivots.json", "/ui/none", "/ui/sign-in"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("secrets")
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret)
    return {name: folder / name for name in SECRETS}


@pytest.fixture(scope="module")
def url(files: dict[str, Path]) -> Iterator[str]:
    tokens = {"token_file": files["bearer"], "reward_token_file": files["reward"]}
    settings = Settings(**tokens, access_log=True, max_body_bytes=2000)
    with BackgroundServer(StoreDomain(), pivots=[make_pivot(0)], settings=settings) as running:
        yield running.url


@pytest.fixture(scope="module")
def gateway(url: str, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "demo", [profiled(0)])
    tokens = {"token_file": files["gateway"], "upstream_token_file": files["bearer"]}
    with RunningGateway(f"toy={url}", wait=False, runs=runs, access_log=True, **tokens) as running:
        yield running.url


def everything(http: httpx.Client, paths: list[str], posts: list[str], secret: str) -> list[httpx.Response]:
    """Answers to right and wrong requests, with the right token, with a wrong one, with none."""
    found = []
    for token in (secret, f"{secret}x", None):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        found += [http.get(path, headers=headers) for path in paths]
        found += [http.post(path, headers=headers, content=body) for path in posts for body in BODIES]
    return found


def told(answers: list[httpx.Response]) -> str:
    return "\n".join(f"{answer.headers}\n{answer.text}" for answer in answers)


def not_told(text: str) -> None:
    assert [name for name, secret in SECRETS.items() if secret in text] == []


def test_server_tells_no_secret(url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    posts = [path.format(SECRETS["reward"]) for path in POSTS]
    with httpx.Client(base_url=url, trust_env=False) as http:
        answers = everything(http, GETS, posts, SECRETS["bearer"])
    own = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]

    assert {200, 401, 404, 413, 422} <= {answer.status_code for answer in answers}
    not_told(told(answers) + "\n".join(own) + "".join(capfd.readouterr()))


def test_gateway_and_page_tell_no_secret(
    gateway: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with httpx.Client(base_url=gateway, trust_env=False) as http:
        signed_in = http.post("/ui/sign-in", data={"token": SECRETS["gateway"], "after": "/ui"})
        pages = [http.get(path) for path in PAGES]
        paths = ["/metadata", "/metrics", "/docs", "/openapi.json", *(f"/toy{path}" for path in GETS)]
        answers = everything(http, paths, ["/toy/verify", "/toy/sessions"], SECRETS["gateway"])
    own = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]

    assert (signed_in.status_code, pages[0].status_code) == (303, 200)
    not_told(told([signed_in, *pages, *answers]) + "\n".join(own) + "".join(capfd.readouterr()))
