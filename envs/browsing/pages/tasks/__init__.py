"""Whole tasks on pages, with oracles that do them: what a policy could do, by the domain's own tools.

Owns: which tasks there are, and running an oracle. Does not own: goals and programs (`shop`, `miniwob` and the modules
beside them), the world, or the sites. Listing tasks starts no browser; gold runs and attempts are played when they are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.browsing.pages.tasks import miniwob, shop
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.browsing.pages.world import PageWorld


def tasks() -> tuple[Task, ...]:
    """All of them, the same at any time; MiniWoB++'s only where its package was fetched."""
    return (*shop.tasks(), *miniwob.tasks())


def gold(task: Task) -> list[list[Action]]:
    """What the oracle does, played now.

    Raises:
        MissingDependency: Without Chromium.
        InfrastructureError: If the browser broke, or the oracle does not fit its pages.
    """
    return shop.gold(task, played) if _in_shop(task) else miniwob.gold(task, played)


def attempts(task: Task) -> Iterable[Attempt]:
    """Runs whose outcome is known, each played when it is its turn. Errors as for `gold`."""
    return shop.attempts(task, played) if _in_shop(task) else miniwob.attempts(task, played)


def played(origin: Origin, program: Callable[[Pilot], None]) -> list[Action]:
    """What a program does at an origin. Errors as for `gold`."""
    with closing(PageWorld()) as world:
        world.start(origin, 0)
        pilot = Pilot(world)
        program(pilot)
        return pilot.actions


def _in_shop(task: Task) -> bool:
    return task.id.startswith(shop.PREFIX)
