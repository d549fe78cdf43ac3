"""Tools of an MCP server in a sandbox: its files are the state."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError, MissingDependency, NotFound, PivotRefused, WorldFailed, WrongState
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Origin, Step
from pivotgym.envs.base import sources
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.mcp import exchange
from pivotgym.envs.tool_use.mcp.toolkit import McpToolkit, shown

MILK, BREAD = {"title": "milk"}, {"title": "bread"}


def server(folder, name, settings, **files):
    """Adds a server to the source."""
    (folder / name).mkdir()
    (folder / name / "mcp.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    for file, text in files.items():
        (folder / name / f"{file}.py").write_text(text)


@pytest.fixture(scope="module")
def odd(servers):
    server(servers, "odd", {"command": "python3", "args": ["odd_server.py"], "env": {"COLOR": "red"}})
    shutil.copy(Path(__file__).with_name("odd_server.py"), servers / "odd")
    return "odd"


@pytest.fixture(scope="module")
def toolkit_of_odd(odd):
    toolkit = McpToolkit()
    toolkit.start(Origin(kind="mcp", server=odd), 0)
    yield toolkit
    toolkit.close()


def test_tools_are_what_the_server_tells(started):
    toolkit = started()
    tools = {tool.name: tool for tool in toolkit.tools()}
    assert list(tools) == ["add_task", "complete_task", "remove_task", "list_tasks"]
    assert (tools["add_task"].description, tools["add_task"].parameters["required"]) == (
        "Add a task to the list.",
        ["title"],
    )
    assert [toolkit.writes(name) for name in ("add_task", "list_tasks", "unknown")] == [True, False, True]


def test_tools_may_come_in_pages(started, odd):
    assert [tool.name for tool in started(odd).tools()] == ["page_0", "page_1"]


def test_what_a_call_leaves_the_next_one_finds(started):
    toolkit = started()
    assert toolkit.call("list_tasks", {}) == "[]"
    toolkit.call("add_task", MILK)
    assert [task["title"] for task in json.loads(toolkit.call("list_tasks", {}))] == ["milk"]


def test_a_read_leaves_the_state_as_it_is_and_a_write_does_not(started):
    toolkit = started()
    begun = toolkit.digest()
    toolkit.call("list_tasks", {})
    assert toolkit.digest() == begun
    toolkit.call("add_task", MILK)
    assert toolkit.digest() != begun


def test_equal_files_are_equal_states_whatever_led_there(started):
    first, second = started(), started()
    first.call("add_task", MILK)
    second.call("add_task", MILK)
    second.settle()
    second.call("add_task", BREAD)
    second.settle()
    assert second.digest() != first.digest()
    second.call("remove_task", {"id": 2})
    assert second.digest() == first.digest()
    second.settle()
    assert second.digest() == first.digest()


@pytest.mark.parametrize("settled", [True, False])
def test_a_fork_is_independent(started, settled):
    toolkit = started()
    toolkit.call("add_task", MILK)
    if settled:
        toolkit.settle()
    copy, before = toolkit.fork(), toolkit.digest()
    assert copy.digest() == before
    copy.call("add_task", BREAD)
    copy.close()
    assert toolkit.digest() == before
    assert "bread" not in toolkit.call("list_tasks", {})


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("complete_task", {"id": 7}, "Error: there is no task 7; the ids are []"),
        ("no_such_tool", {}, "Error: there is no tool no_such_tool"),
        ("add_task", {"color": "red"}, "Error: add_task() got an unexpected keyword argument 'color'"),
    ],
)
def test_what_the_policy_did_wrong_is_text(started, name, arguments, text):
    toolkit = started()
    assert toolkit.call(name, arguments) == text
    assert toolkit.failed(text)


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("refuse", "Error: not like this"),
        ("die", "Error: the server ended without an answer"),
        ("big", "Error: the result is over 1024 KiB"),
        ("picture", 'a dot\n{"data": "AA==", "mimeType": "image/png", "type": "image"}'),
        ("values", '{"a": [2], "b": 1}'),
        ("folders", "mcp"),
        ("variable", "red"),
    ],
)
def test_whatever_a_server_answers_is_text(toolkit_of_odd, tool, text):
    assert toolkit_of_odd.call(tool, {}) == text


def test_each_call_is_a_server_of_its_own(toolkit_of_odd):
    toolkit_of_odd.call("die", {})
    assert [toolkit_of_odd.call("count", {}) for _ in range(2)] == ["1", "1"]


def test_a_server_that_does_not_answer_is_our_failure_and_no_text(started, odd, monkeypatch):
    toolkit = started(odd)
    monkeypatch.setattr(exchange, "WALL_S", 1.0)
    with pytest.raises(WorldFailed, match=r"did not answer tools/call within 1 s"):
        toolkit.call("hang", {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"command": "no-such-program"}, r"could not be started: .*no-such-program"),
        ({"command": "python3", "args": ["-c", "raise SystemExit('no room')"]}, r"could not be started: no room"),
    ],
    ids=["missing", "failing"],
)
def test_a_server_that_cannot_be_started_is_our_failure(servers, started, request, settings, said):
    name = f"broken_{request.node.callspec.id}"
    server(servers, name, settings)
    with pytest.raises(WorldFailed, match=said):
        started(name)


def test_a_server_without_tools_is_refused(servers, started):
    text = (servers / "todo" / "server.py").read_text().replace("for name in TOOLS]", "for name in ()]")
    server(servers, "bare", {"command": "python3", "args": ["server.py"]}, server=text)
    with pytest.raises(InputError, match="the MCP server 'bare' offers no tools"):
        started("bare")


@pytest.mark.parametrize(
    ("origin", "kind", "said"),
    [
        ({"server": "nobody"}, NotFound, "the source 'mcp' has no nobody/mcp.json"),
        ({"server": "../todo"}, InputError, "expected the name of an MCP server, got '../todo'"),
        ({"server": 7}, InputError, "expected the name of an MCP server, got 7"),
        ({}, InputError, r"expected the fields \['server'\], got \[\]"),
        ({"server": "todo", "path": "/"}, InputError, r"got \['path', 'server'\]"),
    ],
)
def test_an_origin_that_names_no_server_is_refused(origin, kind, said):
    with pytest.raises(kind, match=said):
        McpToolkit().start(Origin(kind="mcp", **origin), 0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("{", "bad_text/mcp.json: .*JSON"),
        ({"command": ""}, "bad_command/mcp.json: command: "),
        ({"command": "x", "cwd": "/"}, "bad_field/mcp.json: cwd: "),
    ],
    ids=["text", "command", "field"],
)
def test_settings_that_cannot_be_read_are_named(servers, started, request, settings, said):
    name = f"bad_{request.node.callspec.id}"
    server(servers, name, settings)
    with pytest.raises(InputError, match=said):
        started(name)


def test_without_the_source_the_hint_says_how_to_name_it(servers):
    sources.forget("mcp")
    try:
        with pytest.raises(MissingDependency, match="PIVOTGYM_SOURCE_MCP=FOLDER, or pass --source mcp=FOLDER"):
            McpToolkit().start(Origin(kind="mcp", server="todo"), 0)
    finally:
        sources.configure({"mcp": servers})


def test_a_toolkit_that_is_closed_says_so(started):
    toolkit = started()
    toolkit.close()
    toolkit.close()
    with pytest.raises(WrongState, match="not started, or closed"):
        toolkit.call("list_tasks", {})


def test_a_recording_that_needs_the_servers_memory_is_refused(odd):
    world = domain().world()
    recorded = [
        Step(action=Action(tool_calls=(ToolCall(name="count", arguments={}),)), observations=(text,)) for text in "12"
    ]
    with pytest.raises(PivotRefused, match="prefix step 1, observation 0: the replay differs") as refused:
        world.restore(Origin(kind="mcp", server=odd), recorded, 0)
    assert refused.value.details["replayed"] == "1"
    world.close()


@given(st.binary(max_size=60) | st.just(b'{"id": "a", "result": {}}\n{"id": ["b"]}\n[1]\n{"id": "c", "method": "x"}'))
def test_whatever_a_server_prints_is_read(output):
    assert set(exchange._answers(output)) <= {"a"}


SAID = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@given(SAID | st.lists(SAID | st.dictionaries(st.sampled_from(["type", "text"]), SAID | st.just("text")), max_size=4))
def test_whatever_a_result_holds_becomes_text(value):
    assert isinstance(shown({"content": value, "isError": value}), str)
