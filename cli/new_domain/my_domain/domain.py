"""The domain: a world that runs actions, the tasks, and the comparator that says when two actions do the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin
from pivotgym.envs.base.contract import Attempt, Domain, Task, World
from pivotgym.verifiers.tool_calls import ToolCallComparator

TASKS = {row["id"]: row for row in map(json.loads, (Path(__file__).parent / "data/tasks.jsonl").open(encoding="utf-8"))}
PROPERTIES = {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}
CHANGE = {"type": "object", "properties": PROPERTIES, "required": ["item", "count"]}
TOOLS = [
    Tool(name="add", description="Put goods into the stock.", parameters=CHANGE),
    Tool(name="remove", description="Take goods out of the stock.", parameters=CHANGE),
    Tool(name="show", description="Show the stock."),
]


class MyWorld(World):
    """A live stock. Everything that an action may change is copied by `fork` and read by `digest`."""

    stock: dict[str, int]

    def start(self, origin: Origin, seed: int) -> None:
        """The stock that the task begins with. A client may send any origin: what does not fit is refused."""
        task = TASKS.get(origin.get("task", ""))
        if task is None:
            raise InputError(f"origin.task: expected a task's id, got {origin.get('task')!r}")
        self.stock = dict(task["stock"])

    def run(self, action: Action) -> Effects:
        """Run the calls in their order. A mistake of the policy is a failed call, never an exception."""
        answers = [self.call(call) for call in action.tool_calls]
        return Effects(observations=[text for text, _ in answers], failed=[not well for _, well in answers])

    def call(self, call: ToolCall) -> tuple[str, bool]:
        """What one call answers, and whether it went well."""
        given = call.arguments if isinstance(call.arguments, dict) else {}
        item, count = given.get("item"), given.get("count")
        if call.name == "show":
            return json.dumps(self.stock, sort_keys=True), True
        if not isinstance(item, str) or not isinstance(count, int) or count < 1:
            return "error: expected an item and a count of at least 1", False
        held = self.stock.get(item, 0)
        if call.name == "remove" and count > held:
            return f"error: there are {held} of {item}", False
        self.stock[item] = held + count if call.name == "add" else held - count
        return f"{item}: {self.stock[item]}", True

    def fork(self) -> Self:
        """An independent copy."""
        copy = type(self)()
        copy.stock = dict(self.stock)
        return copy

    def digest(self) -> str:
        """Equal stocks have equal digests."""
        return digest(self.stock)

    def outcome(self, task: Task) -> float:
        """1 where the stock is what the task asks for."""
        return float(self.stock == TASKS[task.id]["goal"])


class MyDomain(Domain):
    """What is served."""

    name = "my_domain"
    description = "A stock of goods that tools change."
    comparator = ToolCallComparator()
    inline = True

    def world(self) -> MyWorld:
        """A new world, not started."""
        return MyWorld()

    def tasks(self) -> Iterable[Task]:
        """The rows of `data/tasks.jsonl`."""
        for row in TASKS.values():
            asked = [Message(role="user", content=row["asked"])]
            gold = [[called(name, **given) for name, given in row["gold"]]]
            yield Task(row["id"], Origin(kind="my_domain", task=row["id"]), asked, TOOLS, gold=gold, max_steps=8)

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """A run that must not pay: it adds one of everything."""
        yield Attempt("one of everything", [[called("add", item=item, count=1) for item in ("nuts", "bolts")]], 0.0)


def called(name: str, **arguments: object) -> Action:
    """An action with one call."""
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def domain() -> MyDomain:
    """What the entry point names."""
    return MyDomain()
