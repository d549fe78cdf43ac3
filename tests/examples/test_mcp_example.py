"""`examples/mcp_todo` as its reader would try it; its server as MCP's own client sees it."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pivotgym.cli.main import run_app
from pivotgym.envs.base.contract import Task
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import gold_trajectories
from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.envs.tool_use.domain import ToolUse
from pivotgym.envs.tool_use.mcp import tasks as mcp_tasks
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.extract import cut

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "mcp_todo"


class Alone(ToolUse):
    """The domain with tasks on MCP servers only: BFCL's take seconds to list."""

    def tasks(self) -> list[Task]:
        return mcp_tasks.tasks()


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = default_backend().missing()
    if missing is not None:
        pytest.skip(f"no sandbox: {missing.what}")
    monkeypatch.setenv("PIVOTGYM_SOURCE_MCP", str(FOLDER / "servers"))


@pytest.mark.slow
@pytest.mark.usefixtures("configured")
def test_the_example_shows_verdicts_and_a_fork() -> None:
    with closing(Runtime(Alone())) as runtime:
        expert = next(gold_trajectories(runtime, [runtime.task("mcp/todo/plants")]))
    with BackgroundServer(Alone(), pivots=[cut(expert, 2)]) as server:
        env = {**os.environ, "PIVOTGYM_URL": server.url, "NO_PROXY": "127.0.0.1"}
        env.pop("PIVOTGYM_TOKEN", None)
        done = subprocess.run([sys.executable, FOLDER / "play.py"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *verdicts, session, fork = done.stdout.splitlines()
    assert verdicts == [
        "the same: 1 (normalised_call)",
        "a look first: 1 (execution)",
        "the other task: 0 (execution)",
        "off the list: 0 (execution)",
        "a look only: 0 (execution)",
    ]
    assert [task["title"] for task in json.loads(session.removeprefix("session: "))] == ["call Ada"]
    assert len(json.loads(fork.removeprefix("fork: "))) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("configured")
def test_the_readmes_commands_make_its_pivots(tmp_path: Path) -> None:
    gold, pivots = tmp_path / "gold.jsonl", tmp_path / "pivots.jsonl"
    assert run_app(["tasks", "gold", "tool_use", "--task", "mcp/todo/", "-o", str(gold)]) == 0
    assert run_app(["extract", str(gold), "-o", str(pivots), "--set", "domain=tool_use"]) == 0
    assert '"id":"mcp/todo/plants:2"' in pivots.read_text().replace(": ", ":")


def test_the_server_speaks_with_mcps_own_client(tmp_path: Path) -> None:
    mcp = pytest.importorskip("mcp", reason="the package mcp is not installed")
    server = tmp_path / "server.py"
    server.write_bytes((FOLDER / "servers" / "todo" / "server.py").read_bytes())

    async def talk() -> tuple[list[str], list[object]]:
        parameters = mcp.StdioServerParameters(command=sys.executable, args=[str(server)])
        async with mcp.stdio_client(parameters) as streams, mcp.ClientSession(*streams) as session:
            await session.initialize()
            tools = await session.list_tools()
            asked = [("add_task", {"title": "milk"}), ("complete_task", {"id": 9}), ("list_tasks", {})]
            answers = [await session.call_tool(name, arguments) for name, arguments in asked]
        return [tool.name for tool in tools.tools], [one.model_dump(by_alias=True) for one in answers]

    names, answers = asyncio.run(talk())
    assert names == ["add_task", "complete_task", "remove_task", "list_tasks"]
    assert [one["isError"] for one in answers] == [False, True, False]
    assert json.loads(answers[2]["content"][0]["text"])[0]["title"] == "milk"
