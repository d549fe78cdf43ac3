"""Airline and retail tasks, read from chat files whose rows say what the user wants and what should be done.

Owns: rows -> tasks. Does not own: how the user talks (`envs.tool_use.users`), what a task pays (`envs.tool_use.world`).

A row with `instruction` and `gold_actions` is a task as it stands. In a scripted replay (`synthetic: true`) the first
user message is the instruction, and the calls that may change the database are the gold actions. Runs of one task give
one task.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import Trajectory
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Task
from pivotgym.envs.tool_use.tau.toolkit import DATABASES, TauToolkit

SOURCE = "tau_tasks"
"""Name of the source: a chat file, or a folder of them."""
MAX_STEPS = 30


def tasks() -> list[Task]:
    """The tasks of the configured source; none where it is not configured.

    Raises:
        InputError: If a row's gold actions cannot be read.
        BadLine: If a file cannot be read.
    """
    place = sources.find(SOURCE)
    return [] if place is None else list(read(place))


def read(place: Path) -> Iterator[Task]:
    """The tasks of a file, or of all `*.jsonl` of a folder, each once."""
    known: set[str] = set()
    for path in sorted(place.glob("*.jsonl")) if place.is_dir() else [place]:
        for trajectory in read_chat(path, domain="tool_use"):
            task = _task(trajectory)
            if task is not None and task.id not in known:
                known.add(task.id)
                yield task


def _task(trajectory: Trajectory) -> Task | None:
    said = trajectory.metadata
    toolkit = trajectory.origin.get("toolkit")
    users = [place for place, message in enumerate(trajectory.messages) if message.role == "user"]
    if trajectory.origin.kind != TauToolkit.kind or toolkit not in DATABASES or not users:
        return None
    opening = trajectory.messages[: users[0] + 1]
    declared = DATABASES[toolkit].tools.by_name
    if "gold_actions" in said and "instruction" in said:
        gold, instruction = [_call(trajectory, given) for given in said["gold_actions"]], str(said["instruction"])
    elif said.get("synthetic"):
        gold = [call for call in _calls(trajectory.messages) if call.name in declared and declared[call.name].writes]
        instruction = opening[-1].text
    else:
        return None
    return Task(
        id=str(said["task"]),
        origin=trajectory.origin,
        messages=opening,
        tools=trajectory.tools or [tool.tool for tool in declared.values()],
        gold=[[Action(tool_calls=(call,)) for call in gold]],
        max_steps=MAX_STEPS,
        metadata={
            "instruction": instruction,
            "outputs": [str(output) for output in said.get("outputs", [])],
            "gold_writes": any(call.name in declared and declared[call.name].writes for call in gold),
        },
    )


def _calls(messages: list[Message]) -> list[ToolCall]:
    return [call for message in messages for call in message.tool_calls or ()]


def _call(trajectory: Trajectory, given: Any) -> ToolCall:
    arguments = given.get("kwargs", given.get("arguments")) if isinstance(given, dict) else None
    if not isinstance(arguments, dict) or not isinstance(given.get("name"), str):
        raise InputError(
            f"trajectory {trajectory.id!r}: gold_actions: expected objects with `name` and `kwargs`, got {given!r:.100}"
        )
    return ToolCall(name=given["name"], arguments=arguments)
