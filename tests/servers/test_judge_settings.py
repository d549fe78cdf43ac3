"""A server with a judge: its verdicts, what it shows of it, and what happens when it is down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from openai_server import OpenAIServer, said
from toy_domain import StoreDomain

from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import ConfigError, VerifierFailed
from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base import chat_servers
from pivotgym.envs.base.contract import Task
from pivotgym.envs.tool_use.domain import ToolUse
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

pytestmark = pytest.mark.usefixtures("bfcl")

PIVOT = Pivot(
    id="talk:0",
    domain="tool_use",
    messages=[Message(role="user", content="Where is W12?")],
    reference=Action(content="Order W12 was handed to the post."),
)
KEY = "sk-very-secret"


class Talk(ToolUse):
    """Tool use without its tasks: only messages."""

    def tasks(self) -> Iterable[Task]:
        return []

    def ready(self) -> str | None:
        return None


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    """A model that finds everything the same."""
    with OpenAIServer(lambda *_: said(json.dumps({"reason": "same", "same": True})), alone=True) as server:
        yield server


@pytest.fixture
def settings(model: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setattr(chat_servers, "PROBE_KEPT_S", 0.0)
    judge = ChatServer(
        base_url=model.url, model="judge-7b", api_key_env="JUDGE_KEY", retries=0, cache=tmp_path / "judge.sqlite"
    )
    return Settings(judge=judge)


@pytest.fixture
def server(settings: Settings) -> Iterator[BackgroundServer]:
    with BackgroundServer(Talk(), pivots=[PIVOT], settings=settings) as running:
        yield running


def test_the_judge_decides_over_the_wire(server: BackgroundServer, model: OpenAIServer) -> None:
    with Client(server.url) as client:
        verdict = client.verify(PIVOT.id, Action(content="W12? Is it with the post?"))
    assert (verdict.reward, verdict.method) == (1.0, "judge")
    assert [body["authorization"] for body in model.bodies] == [f"Bearer {KEY}"] * 2


def test_metadata_shows_the_judge_and_never_its_key(server: BackgroundServer, model: OpenAIServer) -> None:
    with Client(server.url) as client:
        about = client.metadata()
    assert (about["judge"], about["user"]) == ({"base_url": model.url, "model": "judge-7b"}, None)
    assert KEY not in json.dumps(about)
    assert "JUDGE_KEY" not in json.dumps(about)


def test_a_judge_that_is_down_is_not_ready_and_gives_no_verdict(server: BackgroundServer, model: OpenAIServer) -> None:
    model.__exit__()
    answer = httpx.get(f"{server.url}/ready", trust_env=False)
    assert (answer.status_code, answer.json()["message"]) == (
        503,
        f"the judge is down: {model.url}/models: ConnectError",
    )
    with (
        Client(server.url, retries=0) as client,
        pytest.raises(VerifierFailed, match="the judge 'judge-7b' gave no answer"),
    ):
        client.verify(PIVOT.id, Action(content="W12? Is it with the post?"))


@pytest.mark.parametrize(("name", "what"), [("judge", "no verdicts that a judge"), ("user", "no users that a model")])
def test_a_domain_that_cannot_use_it_refuses(settings: Settings, name: str, what: str) -> None:
    asked = Settings.model_validate({name: settings.judge})
    with (
        pytest.raises(ConfigError, match=f"{name}: the domain 'toy' has {what} could"),
        BackgroundServer(StoreDomain(), settings=asked),
    ):
        pass


def test_a_key_that_is_not_there_is_refused_at_the_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(ConfigError, match="api_key_env: the environment variable 'JUDGE_KEY' is not set"):
        BackgroundServer(Talk(), settings=settings).start()
