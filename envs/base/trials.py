"""Trials: actions run in forks of a pivot's state and of its perturbed copies.

Owns: the effects of the expert's action, kept per pivot and copy, running it a second time, and turning breakage into
infrastructure errors. Does not own: what follows from the effects (`envs.base.runtime`, `verifiers/`), or the states
(`envs.base.states`).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pivotgym.core.errors import PivotRefused, WorldFailed
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Pivot, Step
from pivotgym.envs.base.breakage import unforeseen_is
from pivotgym.envs.base.contract import Domain, World
from pivotgym.envs.base.states import StateCache
from pivotgym.verifiers.attached import Attached

REPEAT_AFTER_S = 1.1
"""Time between the two runs of an expert's action: clocks that show seconds have moved on."""


@dataclass
class _Expert:
    """The expert's effects in one copy of the state; `known` once they, or that they tell nothing, are known."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: bool = False
    effects: Effects | None = None
    settled: Effects | None = None
    ran_at: float = 0.0
    examined: dict[tuple[str, ...], Effects] = field(default_factory=dict)


@dataclass
class _Prepared:
    """Worked out once per pivot object: replayable steps, state keys, the expert in each copy (0: the state)."""

    steps: list[Step]
    keys: list[str]
    experts: list[_Expert]


class Trials:
    """Runs actions at pivots of one domain. Thread-safe.

    Pivots are values: a pivot object that was seen here must not be changed in place afterwards.

    Args:
        domain: The domain.
        states: Its states.
    """

    def __init__(self, domain: Domain, states: StateCache) -> None:
        self._domain = domain
        self._states = states
        self._seen: Attached[_Prepared] = Attached()

    def expert(self, pivot: Pivot, variant: int = 0) -> Effects | None:
        """The effects of the expert's action, run once.

        Args:
            pivot: The pivot.
            variant: 0 for its state, 1 to `Domain.perturbations` for a perturbed copy.

        Returns:
            `None` only for a copy in which they tell nothing: there is none, or the action cannot be run or fails
            there although it does not in the state itself.

        Raises:
            PivotRefused: If the state cannot be rebuilt, or the expert's own action cannot be run in it.
            InfrastructureError: If the world broke.
        """
        own = self.expert(pivot) if variant else None
        known = self._prepared(pivot).experts[variant]
        with known.lock:
            if not known.known:
                effects = self.effects(pivot, pivot.reference, variant)
                if variant == 0:
                    if effects is not None and effects.invalid is not None:
                        raise PivotRefused(
                            f"pivot {pivot.id!r}: the expert's own action cannot be run: {effects.invalid}"
                        )
                elif effects is not None and own is not None and not self._domain.tells(pivot, own, effects):
                    effects = None
                known.effects, known.known, known.ran_at = effects, True, time.monotonic()
            return known.effects

    def settled(self, pivot: Pivot, variant: int = 0) -> Effects:
        """The expert's effects with what two runs of it disagree on marked (`Domain.settle`).

        The first call waits until `REPEAT_AFTER_S` after the first run. Arguments and errors as for `expert`.
        """
        known = self._prepared(pivot).experts[variant]
        first = self.expert(pivot, variant)
        assert first is not None
        with known.lock:
            if known.settled is None:
                time.sleep(max(0.0, known.ran_at + REPEAT_AFTER_S - time.monotonic()))
                again = self.effects(pivot, pivot.reference, variant)
                known.settled = first if again is None else self._domain.settle(first, again)
            return known.settled

    def effects(self, pivot: Pivot, action: Action, variant: int = 0) -> Effects | None:
        """An action's effects in a fork of its own; `None` where there is no such copy. Errors as for `expert`."""
        with unforeseen_is(WorldFailed, f"running an action at pivot {pivot.id!r}"):
            world = self._fork(pivot, variant)
            if world is None:
                return None
            try:
                effects = world.run(action)
                missing = {} if effects.state else {"state": world.digest()}
            finally:
                world.close()
            return self._completed(pivot, action, variant, effects.model_copy(update=missing))

    def examined(
        self, pivot: Pivot, action: Action, effects: Effects, asked: tuple[str, ...], variant: int = 0
    ) -> Effects:
        """Effects with what `World.examine` finds after the action, in a fork of its own; the expert's once.

        Args:
            pivot: The pivot.
            action: The action that had these effects.
            effects: What is known of them.
            asked: What `Domain.asks` gave.
            variant: As for `expert`.

        Raises:
            InfrastructureError: If the world broke.
        """
        known = self._prepared(pivot).experts[variant]
        if action is not pivot.reference:
            return self._examined(pivot, action, effects, asked, variant)
        with known.lock:
            if asked not in known.examined:
                known.examined[asked] = self._examined(pivot, action, effects, asked, variant)
            return known.examined[asked]

    def _examined(
        self, pivot: Pivot, action: Action, effects: Effects, asked: tuple[str, ...], variant: int
    ) -> Effects:
        with unforeseen_is(WorldFailed, f"examining the state after an action at pivot {pivot.id!r}"):
            world = self._fork(pivot, variant)
            assert world is not None
            try:
                world.run(action)
                found = world.examine(asked)
            finally:
                world.close()
        return effects.model_copy(update={"detail": {**effects.detail, **found}})

    def ran(self, pivot: Pivot) -> bool:
        """Whether the expert's effects in the pivot's state are known."""
        prepared = self._seen.get(pivot)
        return prepared is not None and prepared.experts[0].known

    def restore(self, pivot: Pivot, *, seed: int = 0) -> World:
        """A live world in a pivot's state; the caller closes it. Errors as for `expert`."""
        prepared = self._prepared(pivot)
        keys = prepared.keys if seed == 0 else None
        with unforeseen_is(WorldFailed, f"restoring pivot {pivot.id!r}"):
            return self._states.get(pivot.origin, prepared.steps, seed, keys=keys)

    def clear(self) -> None:
        """Forget all effects."""
        self._seen.clear()

    def _prepared(self, pivot: Pivot) -> _Prepared:
        found = self._seen.get(pivot)
        if found is not None:
            return found
        steps = pivot.steps()
        with unforeseen_is(WorldFailed, f"resolving the origin of pivot {pivot.id!r}"):
            keys = self._states.keys(pivot.origin, steps, 0)
        experts = [_Expert() for _ in range(self._domain.perturbations + 1)]
        return self._seen.keep(pivot, _Prepared(steps, keys, experts))

    def _completed(self, pivot: Pivot, action: Action, variant: int, effects: Effects) -> Effects:
        """Effects with what a simple world leaves out: equal blanks must never make two actions equivalent."""
        missing: dict[str, Any] = {}
        if not effects.before:
            world = self._fork(pivot, variant)
            assert world is not None
            missing["before"] = world.digest()
            world.close()
        if "calls" not in effects.detail:
            calls = [{"name": call.name, "arguments": call.arguments} for call in action.tool_calls]
            missing["detail"] = {**effects.detail, "calls": calls}
        return effects.model_copy(update=missing) if missing else effects

    def _fork(self, pivot: Pivot, variant: int) -> World | None:
        prepared = self._prepared(pivot)
        if variant:
            return self._states.perturbed(pivot.origin, prepared.steps, 0, variant, keys=prepared.keys)
        return self._states.get(pivot.origin, prepared.steps, 0, keys=prepared.keys)
