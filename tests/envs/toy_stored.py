"""The toy counter with what a world may add: a store of its states, perturbed copies, a clock, commands as text."""

from __future__ import annotations

import itertools
from contextlib import contextmanager

from toy_counter import Counter, CounterDomain

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Verdict
from pivotgym.verifiers.base import decided


class Stored(Counter):
    """Keeps its states in `store`; `origin.content` is what its identity rests on; a text "add 3" acts too."""

    store: dict[str, int]
    stepwise = True
    clock: itertools.count[int]

    def identity(self, origin: Origin) -> object:
        return origin.get("content", "")

    def keep(self, key: str) -> None:
        self.store[key] = self.value

    def recall(self, key: str, origin: Origin, prefix: object, seed: int) -> bool:
        if key not in self.store:
            return False
        self.value = self.store[key]
        return True

    @contextmanager
    def building(self, key: str):
        yield

    def perturb(self, seed: int) -> bool:
        if seed == 2:
            return False
        self.value += 100
        return True

    def run(self, action: Action) -> Effects:
        if action.content.startswith("add "):
            action = Action(tool_calls=(ToolCall(name="add", arguments={"n": int(action.content[4:])}),))
        if any(call.name == "set" for call in action.tool_calls):
            before, self.value = self.digest(), action.tool_calls[0].arguments["n"]  # type: ignore[index]
            effects = Effects(observations=[str(self.value)], before=before, state=self.digest(), failed=[False])
        else:
            effects = super().run(action)
        return effects.model_copy(update={"detail": {"calls": [], "time": next(self.clock)}})


class ByState:
    """Equal states and equal times; times that `settle` marked do not count."""

    name = "by_state"

    def screen(self, pivot, action) -> None:
        return None

    def compare(self, pivot, expert: Effects, candidate: Effects) -> Verdict:
        timeless = "unstable" in expert.detail
        equal = expert.state == candidate.state and (timeless or expert.detail["time"] == candidate.detail["time"])
        return decided(equal, "execution", True, "by state", {})

    def by_rule(self, pivot, action) -> Verdict:
        raise AssertionError("everything here is executable")


class StoredDomain(CounterDomain):
    """A domain over `Stored`; its clock stands still unless `ticking`."""

    perturbations = 2

    def __init__(self, *, ticking: bool = False) -> None:
        clock = itertools.count() if ticking else itertools.repeat(0)
        self.comparator = ByState()  # type: ignore[assignment]
        self.world_type = type("OwnStored", (Stored,), {"store": {}, "clock": clock, "started": 0, "closed": 0})

    def acts(self, action: Action) -> bool:
        return super().acts(action) or action.content.startswith("add ")

    def settle(self, first: Effects, again: Effects) -> Effects:
        if first.detail["time"] == again.detail["time"]:
            return first
        return first.model_copy(update={"detail": {**first.detail, "unstable": True}})
