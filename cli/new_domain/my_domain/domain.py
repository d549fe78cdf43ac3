"""The domain: a stock of goods. `MyWorld` runs actions, `MyDomain` has the tasks and says what compares two actions."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Attempt, Domain, Task
from pivotgym.envs.base.plain import PlainWorld, ToolError
from pivotgym.verifiers.tool_calls import ToolCallComparator

TASKS = {row["id"]: row for row in map(json.loads, (Path(__file__).parent / "data/tasks.jsonl").open(encoding="utf-8"))}
PROPERTIES = {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}
CHANGE = {"type": "object", "properties": PROPERTIES, "required": ["item", "count"], "additionalProperties": False}
TOOLS = [Tool(name="add", parameters=CHANGE), Tool(name="remove", parameters=CHANGE), Tool(name="show")]


class MyWorld(PlainWorld):
    """A live stock: `state` is the number of each item."""

    tools = TOOLS

    def start(self, origin: Origin, seed: int) -> None:
        """Set the state that a task begins with. Clients send origins too: what does not fit is refused."""
        task = TASKS.get(origin.get("task"))
        if task is None:
            raise InputError(f"origin.task: expected one of {sorted(TASKS)}, got {origin.get('task')!r}")
        self.state = dict(task["stock"])

    def call(self, name: str, given: dict[str, Any]) -> Any:
        """Carry out one call, whose arguments fit the tool's schema. A mistake of the policy is a `ToolError`."""
        if name == "show":
            return self.state
        item, count = given["item"], given["count"]
        held = self.state.get(item, 0)
        if name == "remove" and count > held:
            raise ToolError(f"there are {held} of {item}")
        self.state[item] = held + count if name == "add" else held - count
        return f"{item}: {self.state[item]}"

    def outcome(self, task: Task) -> float:
        """What the task pays at its end: 1 where the stock is what it must be."""
        return float(self.state == TASKS[task.id]["goal"])


class MyDomain(Domain):
    """What `pivotgym serve my_domain` serves."""

    name = "my_domain"
    description = "A stock of goods that tools change."
    comparator = ToolCallComparator()

    def world(self) -> MyWorld:
        """A new world, not started."""
        return MyWorld()

    def tasks(self) -> Iterable[Task]:
        """A task for each row of `data/tasks.jsonl`; its gold run has one user turn."""
        for row in TASKS.values():
            asked = [Message(role="user", content=row["asked"])]
            gold = [[called(name, **given) for name, given in row["gold"]]]
            yield Task(row["id"], Origin(kind="my_domain", task=row["id"]), asked, TOOLS, gold=gold, max_steps=8)

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """Runs whose outcome is known: here a cheat that must pay nothing."""
        yield Attempt("one of everything", [[called("add", item=item, count=1) for item in ("nuts", "bolts")]], 0.0)


def called(name: str, **arguments: Any) -> Action:
    """An action with one call."""
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))
