"""A server rebuilds origins from the sources it was given, and from nothing a client names."""

import json
from pathlib import Path

import pytest

from pivotgym.core.errors import ConfigError, InputError, MissingDependency
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

pytestmark = pytest.mark.usefixtures("bfcl")


def look(order: str) -> Action:
    return Action(tool_calls=(ToolCall(name="get_order_details", arguments={"order_id": order}),))


def pivot(**origin: str) -> Pivot:
    return Pivot(
        id="looks:0",
        domain="tool_use",
        messages=[Message(role="user", content="What of order #W1?")],
        reference=look("#W1"),
        tools=[Tool(name="get_order_details", parameters={"properties": {"order_id": {"type": "string"}}})],
        origin=Origin.model_validate({"kind": "tau", **origin}),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "retail").mkdir()
    tables = {"orders": {"#W1": {"order_id": "#W1", "status": "pending"}}, "products": {}, "users": {}}
    for name, records in tables.items():
        (tmp_path / "retail" / f"{name}.json").write_text(json.dumps(records))
    return tmp_path


def test_a_server_process_is_told_its_sources(folder: Path) -> None:
    with (
        BackgroundServer("tool_use", settings=Settings(sources={"tau": folder})) as server,
        Client(server.url) as client,
    ):
        verdict = client.verify(pivot(toolkit="retail"), look("#W2"))
        assert (verdict.reward, verdict.executed) == (0.0, True)
        with pytest.raises(InputError, match="expected a toolkit of"):
            client.verify(pivot(toolkit=str(folder / "retail")), look("#W2"))


def test_without_the_source_a_client_learns_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIVOTGYM_SOURCE_TAU", raising=False)
    asked = pytest.raises(MissingDependency, match="source 'tau': not configured")
    with BackgroundServer("tool_use") as server, Client(server.url) as client, asked:
        client.verify(pivot(toolkit="retail"), look("#W2"))


def test_a_server_does_not_start_without_a_source_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source 'tau': expected a folder or file"):
        BackgroundServer("tool_use", settings=Settings(sources={"tau": tmp_path / "no"})).start()
