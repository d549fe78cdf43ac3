"""BFCL's function documentation as tools with JSON Schema.

Owns: type names, boilerplate, and the choice of the tools of a prompt. Does not own: running them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from pivotgym.core.messages import Tool
from pivotgym.envs.tool_use.bfcl import source
from pivotgym.verifiers.schema import to_json_schema

_BOILERPLATE = "Tool description: "


@lru_cache(maxsize=16)
def class_tools(class_name: str) -> tuple[Tool, ...]:
    """The tools of an API class, in the order of its documentation."""
    return tuple(as_tool(doc) for doc in source.function_docs(class_name).values())


def as_tool(doc: dict[str, Any]) -> Tool:
    """A tool from BFCL's form: own type names become JSON Schema's, `any` none; defaults stay.

    The sentence about the whole class that BFCL puts before each description is dropped, and so is the schema of
    the response.
    """
    parameters = _without_none(to_json_schema(doc["parameters"]))
    return Tool(
        name=doc["name"],
        description=doc["description"].rpartition(_BOILERPLATE)[2].strip(),
        parameters={"type": "object", "properties": {}, **parameters},
    )


def _without_none(schema: dict[str, Any]) -> dict[str, Any]:
    """Without defaults spelled `"None"`: the functions' default is no value, and that text would be another one."""
    listed = schema.get("properties")
    if not isinstance(listed, dict):
        return schema
    properties = {
        name: {key: value for key, value in part.items() if key != "default" or value != "None"}
        for name, part in listed.items()
    }
    return {**schema, "properties": properties}


def choose(task: str, needed: Iterable[str], available: Sequence[Tool], max_tools: int | None) -> list[Tool]:
    """The tools of a task's prompt: those its gold path calls, filled up with others of the same classes.

    This is oracle retrieval with distractors of the same classes: a policy is spared the search for the right tools
    among up to 50, so that a small model's states stay short. Order and distractors follow SHA-256 of task and name,
    so that neither tells which are needed.

    Args:
        task: The task's id.
        needed: Names that the gold path calls; all of them are kept, even beyond `max_tools`.
        available: The functions of the task's classes.
        max_tools: How many in all; `None` for all there are.
    """
    names = set(needed)
    shuffled = sorted(available, key=lambda tool: hashlib.sha256(f"{task}/{tool.name}".encode()).digest())
    if max_tools is None:
        return shuffled
    room = max(max_tools - len(names), 0)
    others = [tool.name for tool in shuffled if tool.name not in names][:room]
    kept = names.union(others)
    return [tool for tool in shuffled if tool.name in kept]
