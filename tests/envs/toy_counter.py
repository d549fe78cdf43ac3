"""A domain of forty lines, for what `envs.base` does with any domain: a counter with `add` and `read`."""

from __future__ import annotations

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot
from pivotgym.envs.base.contract import Domain, Task, World
from pivotgym.verifiers.tool_calls import ToolCallComparator

ADD = Tool(
    name="add",
    parameters={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
)
READ = Tool(name="read")


class Counter(World):
    """Counts; `started` and `closed` count worlds, `explode` makes the next run break."""

    started = 0
    closed = 0
    explode = False

    def __init__(self) -> None:
        self.value = 0

    def start(self, origin: Origin, seed: int) -> None:
        if "start" not in (origin.model_extra or {}):
            raise InputError("origin of kind 'counter': expected `start`")
        type(self).started += 1
        self.value = origin.get("start")

    def run(self, action: Action) -> Effects:
        if type(self).explode:
            raise RuntimeError("the counter is on fire")
        before, seen = self.digest(), []
        for call in action.tool_calls:
            self.value += call.arguments["n"] if call.name == "add" else 0  # type: ignore[index]
            seen.append(str(self.value))
        calls = [{"name": call.name, "arguments": call.arguments} for call in action.tool_calls]
        return Effects(
            observations=seen, before=before, state=self.digest(), failed=[False] * len(seen), detail={"calls": calls}
        )

    def fork(self) -> Counter:
        copy = type(self)()
        copy.value = self.value
        return copy

    def digest(self) -> str:
        return digest(self.value)

    def close(self) -> None:
        type(self).closed += 1

    def outcome(self, task: Task) -> float:
        return float(self.value == task.metadata["goal"])


class CounterDomain(Domain):
    """The counter as a domain with one task: reach 5, then 7."""

    name = "counter"

    def __init__(self) -> None:
        self.comparator = ToolCallComparator()
        self.world_type = type("OwnCounter", (Counter,), {"started": 0, "closed": 0, "explode": False})

    def world(self) -> Counter:
        return self.world_type()

    def tasks(self) -> list[Task]:
        return [
            Task(
                id="to_seven",
                origin=Origin.model_validate({"kind": "counter", "start": 2}),
                messages=[Message(role="user", content="Make it five.")],
                tools=[ADD, READ],
                turns=[Message(role="user", content="Now seven.")],
                max_steps=6,
                metadata={"goal": 7},
            )
        ]


def add(n: int) -> Action:
    return Action(tool_calls=(ToolCall(name="add", arguments={"n": n}, id="c"),))


def say(text: str = "Done.") -> Action:
    return Action(content=text)


def pivot(*steps: tuple[int, str], start: int = 2, reference: Action | None = None, kind: str = "counter") -> Pivot:
    """A counter's pivot after some (added, observed) steps."""
    messages = [Message(role="user", content="Count.")]
    for n, observed in steps:
        messages += [add(n).to_message(), Message(role="tool", content=observed, tool_call_id="c", name="add")]
    return Pivot(
        id=f"t:{len(steps)}",
        domain="counter",
        messages=messages,
        tools=[ADD, READ],
        reference=reference or add(3),
        origin=Origin.model_validate({"kind": kind, "start": start} if kind == "counter" else {"kind": kind}),
        metadata={"task": "to_seven"},
    )
