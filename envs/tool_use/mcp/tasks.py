"""Tasks on MCP servers: `FOLDER/NAME.tasks.jsonl` beside the folder `NAME` of a server, out of its sight.

A line is `{"id": ..., "request": what the user asks, "calls": [{"name": ..., "arguments": {...}}], "answer": ...,
"outputs": [...]}`: the expert's calls, one by one, and the last message. `outputs` are texts that must be told.

Owns: lines -> tasks. Does not own: what a task pays (`envs.tool_use.world`): all, or nothing, by the files that are
left and by what was told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pivotgym.core.jsonl import read_records
from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Task
from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.envs.tool_use.mcp.folders import SOURCE
from pivotgym.envs.tool_use.mcp.toolkit import McpToolkit

_ENDING = ".tasks.jsonl"
MAX_STEPS = 30


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] = {}


class Row(BaseModel):
    """A line of the file; `pydantic` names the field that is wrong."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, pattern="^[A-Za-z0-9_.-]+$")]
    request: str
    calls: Annotated[list[_Call], Field(min_length=1)]
    answer: str = ""
    outputs: list[str] = []


def tasks() -> list[Task]:
    """The tasks of the configured source; none where it is not configured, or no sandbox can be opened here.

    Raises:
        BadLine: If a line is no task.
        PivotGymError: As for `McpToolkit.start`.
    """
    place = sources.find(SOURCE)
    if place is None or default_backend().missing() is not None:
        return []
    return [task for path in sorted(place.glob("*" + _ENDING)) for task in _of(path)]


def _of(path: Path) -> list[Task]:
    server = path.name.removesuffix(_ENDING)
    origin = Origin.model_validate({"kind": McpToolkit.kind, "server": server})
    toolkit = McpToolkit()
    try:
        toolkit.start(origin, 0)
        tools = toolkit.tools()
    finally:
        toolkit.close()
    return [
        Task(
            id=f"{McpToolkit.kind}/{server}/{row.id}",
            origin=origin,
            messages=[Message(role="user", content=row.request)],
            tools=tools,
            gold=[[*map(_action, row.calls), *([Action(content=row.answer)] if row.answer else [])]],
            max_steps=MAX_STEPS,
            metadata={"outputs": row.outputs},
        )
        for row in read_records(path, Row)
    ]


def _action(call: _Call) -> Action:
    return Action(tool_calls=(ToolCall(name=call.name, arguments=call.arguments),))
