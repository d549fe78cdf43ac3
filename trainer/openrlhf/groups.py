"""The samples of one group, which OpenRLHF draws as calls that know nothing of each other.

Owns: finding the siblings, waiting for all rewards, and turning them into advantages. Does not own: rewards.

OpenRLHF subtracts a baseline over all G rewards of a group and knows no missing one. So the baseline is taken here,
over those that are there, and OpenRLHF is handed advantages: their mean is 0, hence its own subtraction (`dr_grpo`)
changes nothing, and a masked sample, whose advantage is 0, is in nobody's baseline. Nor does the 1e-9 in OpenRLHF's
denominator make a large advantage of the rounding error of G equal rewards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pivotgym.trainer.learn.losses import Baseline, Scale, group_advantages, has_signal


@dataclass(frozen=True)
class Share:
    """What one sample gets of its group's outcome.

    Attributes:
        advantage: 0 for a masked sample.
        signal: Whether the group's rewards differ, so that it trains.
    """

    advantage: float
    signal: bool


@dataclass
class Group:
    """The calls of one group. `key` is what they share, kept so that its identity is not given to another object."""

    key: object
    settled: asyncio.Future[list[float | None]]
    rewards: dict[int, float | None] = field(default_factory=dict)
    verdicts: dict[str, asyncio.Future[float]] = field(default_factory=dict)
    members: int = 0


class Seat:
    """One sample's place in its group.

    Attributes:
        number: 0-based.
        verdicts: Rewards asked for in this group, by action.
    """

    def __init__(self, group: Group, number: int) -> None:
        self._group, self.number, self.verdicts = group, number, group.verdicts

    async def settle(self, reward: float | None, *, baseline: Baseline, scale: Scale, eps: float) -> Share:
        """Hand in the reward, `None` for a masked sample, and wait for the siblings'."""
        group = self._group
        group.rewards[self.number] = reward
        if len(group.rewards) == group.members:
            group.settled.set_result([group.rewards[number] for number in range(group.members)])
        # Shielded: a sibling that is cancelled must not take the others' result away.
        rewards = await asyncio.shield(group.settled)
        if not has_signal(rewards):
            return Share(0.0, False)
        return Share(group_advantages(rewards, baseline=baseline, scale=scale, eps=eps)[self.number], True)


class Groups:
    """All groups that are being sampled in this process."""

    def __init__(self) -> None:
        self._open: dict[int, Group] = {}

    @asynccontextmanager
    async def join(self, shared: object) -> AsyncIterator[Seat]:
        """Take a seat in the group of the calls that share this very object.

        OpenRLHF starts all calls of a group at once and hands each the same sampling parameters, an object of that
        group alone. All have joined when the first one goes on.
        """
        loop = asyncio.get_running_loop()
        group = self._open.get(id(shared))
        if group is None:
            group = self._open[id(shared)] = Group(shared, loop.create_future())
        seat = Seat(group, group.members)
        group.members += 1
        await asyncio.sleep(0)
        self._open.pop(id(shared), None)
        try:
            yield seat
        except BaseException as error:
            if not group.settled.done():
                group.settled.set_exception(error)
                group.settled.exception()  # Looked at: siblings that never wait for it leave no warning.
            raise
