"""Restored worlds, kept by what they were built from, and handed out as forks.

Owns: the cache of states (a tree of prefixes), building each state once, remembering refusals, and the bound on how
many are kept. Does not own: how a world is built or stored (`envs.base.contract.World`), or what is done with a fork.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pivotgym.core.canonical import digest
from pivotgym.core.errors import ConfigError, PivotRefused
from pivotgym.core.trajectory import Origin, Step
from pivotgym.envs.base.contract import World


@dataclass
class _Slot:
    """One state: its world, why it was refused, or that there is none. `lock` guards all other fields."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    world: World | None = None
    refusal: PivotRefused | None = None
    absent: bool = False
    evicted: bool = False

    @property
    def known(self) -> bool:
        """Whether nothing is left to build."""
        return self.world is not None or self.refusal is not None or self.absent

    def fork(self) -> World | None:
        """A fork of the world; `None` where there is none."""
        if self.refusal is not None:
            raise _again(self.refusal)
        return None if self.world is None else self.world.fork()


class StateCache:
    """Worlds by digest of (origin, seed, prefix, world version), the least recently used dropped first.

    Thread-safe. A state that several threads ask for at once is built by one of them. Building starts from a fork of
    the longest prefix that is already there; a world that has a store (`World.recall`) is asked first. Locks are taken
    from longer to shorter prefixes only, so they cannot wait for each other.

    Args:
        new_world: Makes a world that is not started.
        max_states: How many states (and remembered refusals) are kept; at least 1.

    Attributes:
        hits: Requests answered by a state that was there.
        builds: States built.
        recalls: States taken from the world's own store.
        replayed: Steps replayed for building.

    Raises:
        ConfigError: If `max_states` is below 1.
    """

    def __init__(self, new_world: Callable[[], World], *, max_states: int = 512) -> None:
        if max_states < 1:
            raise ConfigError(f"max_states: expected at least 1, got {max_states}")
        self._new_world = new_world
        self._version, self._stepwise = _about(new_world)
        self._max = max_states
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = self.builds = self.recalls = self.replayed = 0

    def __len__(self) -> int:
        return len(self._slots)

    def keys(self, origin: Origin, steps: Sequence[Step], seed: int) -> list[str]:
        """The key of each prefix, from the start alone (index 0) to all steps. Errors as for `World.identity`."""
        probe = self._new_world()
        try:
            start = probe.identity(origin)
        finally:
            probe.close()
        keys = [digest({"origin": start, "seed": seed, "world": self._version})]
        for step in steps:
            link = json.dumps([keys[-1], step.model_dump(mode="json")], sort_keys=True)
            keys.append(digest(link))
        return keys

    def get(self, origin: Origin, steps: Sequence[Step], seed: int = 0, *, keys: Sequence[str] | None = None) -> World:
        """A fork of the state after `steps`; the caller owns it and closes it.

        Args:
            origin: The start.
            steps: The actions to replay from it, each checked against its recorded observations.
            seed: The world's seed.
            keys: What `keys()` gave for the same arguments, to save computing it again.

        Raises:
            PivotRefused: If the replay differs from the recording; raised again at each later request.
            InputError: If the origin does not fit its kind.
            InfrastructureError: If the world broke; the next request tries again.
        """
        keys = self.keys(origin, steps, seed) if keys is None else keys
        done = self._laid(origin, steps, seed, keys) if self._stepwise else len(steps)
        while done < len(steps):
            self._at(done, origin, steps, seed, keys).close()
            done += 1
        return self._at(done, origin, steps, seed, keys)

    def perturbed(
        self, origin: Origin, steps: Sequence[Step], seed: int, variant: int, *, keys: Sequence[str] | None = None
    ) -> World | None:
        """A fork of a perturbed copy of a state, or `None` where the world has no such variant.

        Args:
            origin: As for `get`, like the errors.
            steps: As for `get`.
            seed: As for `get`.
            variant: As the seed of `World.perturb`.
            keys: As for `get`.
        """
        keys = self.keys(origin, steps, seed) if keys is None else keys
        key = digest([keys[-1], "perturbed", variant])

        def build() -> World | None:
            world = self.get(origin, steps, seed, keys=keys)
            if world.perturb(variant):
                return world
            world.close()
            return None

        return self._fork(key, build, lambda stored: stored.recall(key, origin, steps, seed))

    def clear(self) -> None:
        """Drop all states."""
        with self._lock:
            dropped = list(self._slots.values())
            self._slots.clear()
        _evict(dropped)

    def _at(self, done: int, origin: Origin, steps: Sequence[Step], seed: int, keys: Sequence[str]) -> World:
        """A fork of the state after the first `done` steps."""
        key, first = keys[done], steps[:done]
        world = self._fork(
            key,
            lambda: self._replayed(origin, first, seed, keys[: done + 1]),
            lambda stored: stored.recall(key, origin, first, seed),
        )
        assert world is not None
        return world

    def _fork(self, key: str, build: Callable[[], World | None], recall: Callable[[World], bool]) -> World | None:
        """A fork of the state of that key, recalled or built if need be; `None` where `build` said there is none."""
        while True:
            slot = self._slot(key)
            with slot.lock:
                if slot.evicted:
                    continue
                if slot.known:
                    self.hits += 1
                else:
                    self._fill(slot, key, build, recall)
                return slot.fork()

    def _slot(self, key: str) -> _Slot:
        """The slot of a key, new if need be; the oldest finished slots go when there are too many."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _Slot()
            self._slots.move_to_end(key)
            surplus = len(self._slots) - self._max
            dropped = [self._slots.pop(old) for old in self._oldest(surplus, slot)]
        _evict(dropped)
        return slot

    def _oldest(self, count: int, spared: _Slot) -> list[str]:
        """Keys of the least recently used slots that are not being built."""
        built = (key for key, slot in self._slots.items() if slot is not spared and slot.known)
        return list(islice(built, max(count, 0)))

    def _fill(self, slot: _Slot, key: str, build: Callable[[], World | None], recall: Callable[[World], bool]) -> None:
        """Recall or build a slot's world. Called with the slot's lock held."""
        stored = self._new_world()
        world: World | None = None
        try:
            with stored.building(key):
                if recall(stored):
                    self.recalls += 1
                    slot.world = stored
                    return
                stored.close()
                world = build()
                if world is None:
                    slot.absent = True
                    return
                world.keep(key)
        except BaseException as error:
            stored.close()
            if world is not None:
                world.close()
            if isinstance(error, PivotRefused):
                slot.refusal = error
            else:
                self._forget(key, slot)
            raise
        self.builds += 1
        slot.world = world

    def _replayed(self, origin: Origin, steps: Sequence[Step], seed: int, keys: Sequence[str]) -> World:
        """A world in the state after `steps`, from the longest shorter prefix that is there."""
        found, done = self._ancestor(keys)
        world = found or self._new_world()
        try:
            if found is None:
                world.start(origin, seed)
            for number in range(done, len(steps)):
                world.replay(steps[number], number)
                self.replayed += 1
        except BaseException:
            world.close()
            raise
        return world

    def _ancestor(self, keys: Sequence[str]) -> tuple[World | None, int]:
        """A fork of the longest shorter prefix that is there, and its number of steps."""
        for done in range(len(keys) - 2, -1, -1):
            with self._lock:
                slot = self._slots.get(keys[done])
            if slot is None:
                continue
            with slot.lock:
                if not slot.evicted:
                    world = slot.fork()
                    if world is not None:
                        return world, done
        return None, 0

    def _laid(self, origin: Origin, steps: Sequence[Step], seed: int, keys: Sequence[str]) -> int:
        """Number of steps of the longest prefix that need not be built, here or in the world's store; 0 if none."""
        for done in range(len(keys) - 1, 0, -1):
            with self._lock:
                slot = self._slots.get(keys[done])
            if slot is not None and slot.known:
                return done
            stored = self._new_world()
            try:
                if stored.recall(keys[done], origin, steps[:done], seed):
                    return done
            finally:
                stored.close()
        return 0

    def _forget(self, key: str, slot: _Slot) -> None:
        with self._lock:
            if self._slots.get(key) is slot:
                del self._slots[key]
        slot.evicted = True


def _about(new_world: Callable[[], World]) -> tuple[str, bool]:
    """A kind of world with its version, and whether it is kept step by step."""
    world = new_world()
    try:
        return f"{type(world).__module__}.{type(world).__qualname__}/{world.version}", world.stepwise
    finally:
        world.close()


def _again(refusal: PivotRefused) -> PivotRefused:
    """A fresh copy: raising one exception object from many threads would grow its traceback without end."""
    return PivotRefused(refusal.message, hint=refusal.hint, details=dict(refusal.details))


def _evict(slots: Sequence[_Slot]) -> None:
    for slot in slots:
        with slot.lock:
            slot.evicted = True
            if slot.world is not None:
                slot.world.close()
                slot.world = None
