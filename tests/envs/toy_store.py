"""A domain whose world says only what its calls returned: a key-value store with tools get, set, incr and list."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

from pivotgym.core.canonical import digest
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot, Step
from pivotgym.envs.base.contract import Domain, Task, World
from pivotgym.verifiers.tool_calls import ToolCallComparator

KEY = {"type": "string"}


def tool(name: str, required: list[str], **properties: Any) -> Tool:
    """A tool whose parameters are the keyword arguments."""
    return Tool(name=name, parameters={"type": "object", "properties": properties, "required": required})


TOOLS = [
    tool("get", ["key"], key=KEY),
    tool("set", ["key", "value"], key=KEY, value={"type": "integer"}),
    tool("incr", ["key"], key=KEY, by={"type": "integer", "default": 1}),
    tool("list", []),
    tool("crash", []),
]


class Store(World):
    """The world. `live` counts worlds that are not closed, `started` how often one was built from scratch."""

    live = 0
    started = 0

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.open = False

    def start(self, origin: Origin, seed: int) -> None:
        self.values = dict(origin.get("values", {}))
        Store.started += 1
        self._count()

    def _count(self) -> None:
        self.open = True
        Store.live += 1

    def run(self, action: Action) -> Effects:
        results = [self._call(call) for call in action.tool_calls]
        failed = ["error" in result for result in results]
        return Effects(observations=[json.dumps(result) for result in results], failed=failed)

    def _call(self, call: ToolCall) -> dict[str, Any]:
        given = call.arguments if isinstance(call.arguments, dict) else {}
        key = str(given.get("key"))
        if call.name == "crash":
            raise KeyError("inside")
        if call.name == "list":
            return {"keys": sorted(self.values)}
        if call.name == "set":
            self.values[key] = given["value"]
            return {"ok": True}
        if key not in self.values:
            return {"error": f"no key {key}"}
        if call.name == "incr":
            self.values[key] += given.get("by", 1)
        return {"value": self.values[key]}

    def fork(self) -> Self:
        copy = type(self)()
        copy.values = dict(self.values)
        copy._count()
        return copy

    def digest(self) -> str:
        return digest(self.values)

    def close(self) -> None:
        Store.live -= self.open
        self.open = False

    def outcome(self, task: Task) -> float:
        return float(self.values.get("x") == task.metadata["goal"])


class StoreDomain(Domain):
    """The domain: one task of two user turns, and pivots along it."""

    name = "store"
    comparator = ToolCallComparator()

    def world(self) -> Store:
        return Store()

    def tasks(self) -> Iterable[Task]:
        yield Task(
            "two-turns",
            Origin(kind="store", values={"x": 1}),
            [Message(role="user", content="add two")],
            TOOLS,
            turns=[Message(role="user", content="add three more")],
            metadata={"goal": 6},
            max_steps=6,
        )


def call(name: str, **arguments: Any) -> Action:
    """An action with one call."""
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def calls(*actions: Action) -> Action:
    """One action with the calls of several."""
    return Action(tool_calls=tuple(item for action in actions for item in action.tool_calls))


def say(text: str) -> Action:
    """An action that only talks."""
    return Action(content=text)


def make_pivot(reference: Action | None = None, **fields: Any) -> Pivot:
    """A pivot in a store where x is 1 and y is 2; the expert adds 1 to x unless told otherwise."""
    made: dict[str, Any] = {
        "id": "t:0",
        "domain": "store",
        "messages": [Message(role="user", content="add one to x")],
        "reference": reference or call("incr", key="x"),
        "tools": TOOLS,
        "origin": Origin(kind="store", values={"x": 1, "y": 2}),
        "prefix": [],
    }
    return Pivot(**{**made, **fields})


def recorded(action: Action, *observations: str) -> Step:
    """A recorded step."""
    return Step(action=action, observations=observations or None)
