"""The shop's tasks: goals drawn by seeds, their oracles' runs, and the runs that are wrong.

Owns: putting goals and oracles together. Does not own: either (`kinds`, `oracles`), or Chromium, which runs
only when a run is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import lru_cache

from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.browsing.pages.actions import TOOLS
from pivotgym.envs.browsing.pages.sites.shop.checking import began
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.browsing.pages.tasks.shop.goal import Goal, Kind
from pivotgym.envs.browsing.pages.tasks.shop.kinds import KINDS
from pivotgym.envs.browsing.pages.tasks.shop.oracles import PROGRAMS

PREFIX = "shop/"
EACH = 2
"""Tasks of each kind, each in a shop of its own seed."""
_ASK = (
    "You use a web shop in a browser, by the tools. Begin with look, which shows the page. End with done; where a "
    "question was asked, with the answer alone. Change nothing that was not asked for."
)
_MOST_STEPS = 60

Play = Callable[[Origin, Callable[[Pilot], None]], list[Action]]
"""Runs a program on a world of an origin, and gives its actions."""


def tasks() -> tuple[Task, ...]:
    """The tasks, the same at any time."""
    return tuple(made[0] for made in _made().values())


def gold(task: Task, play: Play) -> list[list[Action]]:
    """The actions of the oracle's run.

    Args:
        task: One of `tasks`.
        play: Runs a program.

    Raises:
        InfrastructureError: If the browser broke, or the oracle does not fit its pages.
    """
    return [_run(task, play, task.metadata["kind"], {})]


def attempts(task: Task, play: Play) -> Iterator[Attempt]:
    """Done at once, and the wrong runs of the task's goal. Arguments and errors as for `gold`."""
    yield Attempt("done at once", [[Action.model_validate({"tool_calls": [{"name": "done", "arguments": {}}]})]], 0.0)
    for run in _made()[task.id][1].runs:
        actions = _run(task, play, run.program or task.metadata["kind"], run.facts)
        yield Attempt(run.name, [actions], run.outcome)


def _run(task: Task, play: Play, program: str, facts: dict[str, str]) -> list[Action]:
    known = {**task.metadata["facts"], **facts}
    return play(task.origin, lambda pilot: PROGRAMS[program](pilot, known))


@lru_cache(maxsize=1)
def _made() -> dict[str, tuple[Task, Goal]]:
    made = [_task(kind, number) for kind in KINDS for number in range(1, EACH + 1)]
    return {task.id: (task, goal) for task, goal in made}


def _task(kind: Kind, number: int) -> tuple[Task, Goal]:
    fields = {"seed": number, "signed_in": kind.signed_in, "cart": kind.cart}
    origin = Origin.model_validate(
        {"kind": "site", "site": "shop", **{name: set_ for name, set_ in fields.items() if set_}}
    )
    goal = kind.draw(began(origin.model_dump(), 0), random.Random(f"{kind.name} {number}"))
    told = {"kind": kind.name, "facts": goal.facts, "wanted": goal.wanted, "open": list(goal.open)}
    task = Task(
        id=f"{PREFIX}{kind.name}-{number}",
        origin=origin,
        messages=[Message(role="system", content=_ASK), Message(role="user", content=goal.text)],
        tools=TOOLS,
        max_steps=_MOST_STEPS,
        metadata=told | ({"answers": list(goal.answers)} if goal.answers else {}),
    )
    return task, goal
