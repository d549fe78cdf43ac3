"""Trying an action at a pivot: by the form of a page and by its twin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateways import HTTP, RunningGateway
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import profiled, write_run
from toy_domain import StoreDomain, make_pivot

from pivotgym.core.errors import InputError
from pivotgym.servers.gateway.web.trying import formats, wire_action
from pivotgym.servers.serve import BackgroundServer

BLUE = '{"name": "set", "arguments": {"key": "color", "value": "blue"}}'
RED = BLUE.replace("blue", "red")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    stranger = make_pivot(0, domain="stranger", id="stranger:0")
    unlike = profiled(1, origin={"kind": "store", "values": {"color": "green"}})
    write_run(folder / "demo", [profiled(0), unlike, stranger])
    return folder


@pytest.fixture(scope="module")
def url(runs: Path) -> Iterator[str]:
    with (
        BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(1))) as server,
        RunningGateway(f"toy={server.url}", runs=runs) as running,
    ):
        yield f"{running.url}/ui/runs/demo/pivots"


def tried(url: str, pivot: str, text: str, form: str = "message") -> Any:
    return HTTP.post(f"{url}/{pivot}.json", json={"text": text, "format": form})


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (RED, "equivalent"),
        (BLUE, "different"),
        (f"[{BLUE}, {RED}]", "different"),
        ('{"role": "assistant", "content": "done"}', "different"),
        ("just talk", "different"),
    ],
)
def test_action_gets_the_domains_verdict(url: str, text: str, outcome: str) -> None:
    answer = tried(url, "toy%2Fa:0", text)

    assert (answer.status_code, answer.json()["verdict"]["outcome"]) == (200, outcome)


def test_text_is_read_in_the_format_that_is_named(url: str) -> None:
    said = tried(url, "toy%2Fa:0", f"<tool_call>{RED}</tool_call>", "hermes").json()["verdict"]

    assert (said["outcome"], said["reward"]) == ("equivalent", 1.0)


def test_form_answers_with_the_page_and_keeps_what_was_typed(url: str) -> None:
    page = HTTP.post(f"{url}/toy%2Fa:0", data={"text": BLUE, "format": "message"})

    assert page.status_code == 200
    assert "The verdict" in page.text
    assert "&#34;value&#34;: &#34;blue&#34;}}</textarea>" in page.text


@pytest.mark.parametrize(
    ("pivot", "text", "form", "status", "says"),
    [
        ("toy%2Fa:0", "  ", "message", 422, "text: expected an action, got nothing"),
        ("toy%2Fa:0", '{"name": ', "message", 422, "begins like JSON and is none"),
        ("toy%2Fa:0", '{"colour": "red"}', "message", 422, "expected a tool call, a list of them or a message"),
        ("toy%2Fa:0", "[1]", "message", 422, "expected a tool call, a list of them or a message"),
        ("toy%2Fa:0", RED, "klingon", 422, "format: expected one of message,"),
        ("toy%2Fa:1", BLUE, "message", 422, "the replay differs from the recording"),
        ("stranger:0", RED, "message", 404, "no server of 'stranger' stands behind this gateway; there are: toy"),
        ("toy%2Fa:9", RED, "message", 404, "no pivot 'toy/a:9' among the 3"),
    ],
)
def test_what_cannot_be_tried_says_why(url: str, pivot: str, text: str, form: str, status: int, says: str) -> None:
    twin = tried(url, pivot, text, form)
    page = HTTP.post(f"{url}/{pivot}", data={"text": text, "format": form})

    assert (twin.status_code, page.status_code) == (status, status)
    assert says in twin.json()["message"]
    assert says.replace("'", "&#39;") in page.text


def test_text_over_the_limit_is_refused(url: str) -> None:
    answer = tried(url, "toy%2Fa:0", "x" * 200_001)

    assert (answer.status_code, "text" in answer.json()["message"]) == (422, True)


def test_pivot_without_a_server_offers_no_box(url: str) -> None:
    page = HTTP.get(f"{url}/stranger:0").text

    assert "No server of stranger stands behind this gateway." in page
    assert "<textarea" not in page


VALUES = st.sampled_from([None, 1, float("nan"), "x", [], {}, {"name": 1}, {"name": "x"}, {"function": {"name": "x"}}])
CALLS = st.dictionaries(st.sampled_from(["name", "function", "arguments", "role", "content", "tool_calls"]), VALUES)
JSON = (VALUES | CALLS | st.lists(CALLS, max_size=2)).map(json.dumps)


def read_or_refused(text: str) -> str:
    try:
        return str(wire_action(text, "message")["role"])
    except InputError as error:
        return error.message.partition(":")[0]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20) | JSON)
def test_any_text_is_an_action_or_refused(text: str) -> None:
    assert read_or_refused(text) in ("assistant", "text")


def test_every_format_can_be_named() -> None:
    assert formats()[0] == "message"
    assert {"hermes", "qwen", "smollm"} < set(formats())
