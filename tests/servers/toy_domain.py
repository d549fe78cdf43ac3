"""A whole domain for the servers' tests: a key-value store with calls that are slow, break, or crash on request."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable
from typing import Self

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot, Verdict
from pivotgym.envs.base.contract import Domain, Task, World

TOOLS = [Tool(name=name) for name in ("set", "get", "sleep", "break", "crash")]


class Store(World):
    """The world: a dictionary. `live` counts the worlds that are not closed, `calls` the calls that were run."""

    live = 0
    calls = 0
    _count = threading.Lock()

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.open = False

    def start(self, origin: Origin, seed: int) -> None:
        time.sleep(origin.get("delay_s", 0))
        self.values = dict(origin.get("values", {}))
        self._opened()

    def _opened(self) -> None:
        self.open = True
        with Store._count:
            Store.live += 1

    def run(self, action: Action) -> Effects:
        before = self.digest()
        observations = [self._call(call) for call in action.tool_calls]
        return Effects(observations=observations, before=before, state=self.digest())

    def _call(self, call: ToolCall) -> str:
        with Store._count:
            Store.calls += 1
        given = call.arguments if isinstance(call.arguments, dict) else {}
        if call.name == "sleep":
            time.sleep(given["seconds"])
        if call.name == "break":
            raise WorldFailed("the store caught fire")
        if call.name == "crash":
            raise KeyError("secret-of-the-inside")
        if call.name == "set":
            self.values[str(given.get("key"))] = given.get("value")
        return str(self.values.get(str(given.get("key"))))

    def fork(self) -> Self:
        copy = type(self)()
        copy.values = dict(self.values)
        copy._opened()
        return copy

    def digest(self) -> str:
        return hashlib.sha256(repr(sorted(self.values.items())).encode("utf-8", "replace")).hexdigest()

    def close(self) -> None:
        if self.open:
            self.open = False
            with Store._count:
                Store.live -= 1

    def outcome(self, task: Task) -> float:
        return float(self.values.get("goal") == task.metadata["goal"])


class StoreComparator:
    """Equal calls are accepted at once; otherwise state and observations decide."""

    name = "store"

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        if action.tool_calls == pivot.reference.tool_calls:
            return Verdict(reward=1.0, outcome="equivalent", method="equal_calls", executed=False)
        return None

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        same = (expert.state, expert.observations) == (candidate.state, candidate.observations)
        outcome = "equivalent" if same else "different"
        return Verdict(reward=float(same), outcome=outcome, method="execution", executed=True, reason="ran both")

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        return Verdict(reward=0.0, outcome="different", method="unequal_calls", executed=False)


class StoreDomain(Domain):
    """The domain; `missing` says what `/ready` misses."""

    name = "toy"
    description = "a key-value store"
    comparator = StoreComparator()
    missing: str | None = None

    def world(self) -> Store:
        return Store()

    def tasks(self) -> Iterable[Task]:
        for number in range(3):
            start = [Message(role="user", content=f"make the goal {number}")]
            yield Task(f"goal-{number}", Origin(kind="store"), start, TOOLS, metadata={"goal": number}, max_steps=8)

    def ready(self) -> str | None:
        return self.missing


def call(name: str, **arguments: object) -> Action:
    """An action with one call."""
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def make_pivot(number: int = 0, reference: Action | None = None, **fields: object) -> Pivot:
    """A pivot whose expert sets `color` to `red`."""
    return Pivot.model_validate(
        {
            "id": f"toy/a:{number}",
            "domain": "toy",
            "messages": [Message(role="user", content=f"paint it red, please ({number})")],
            "reference": reference or call("set", key="color", value="red"),
            "tools": TOOLS,
            "origin": Origin(kind="store", values={"size": number}),
            **fields,
        }
    )


def domain() -> StoreDomain:
    """The factory that `module:attribute` names."""
    return StoreDomain()


class _Dying(StoreDomain):
    def ready(self) -> str | None:
        os._exit(7)


def dying() -> StoreDomain:
    """A domain whose process ends as soon as it is asked whether it is ready."""
    return _Dying()
