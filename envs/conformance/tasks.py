"""What every task must show: its gold run pays 1, doing nothing 0, known attempts what is due; twice the same.

Owns: playing runs of tasks through the domain's real `Runtime`, the report, and gold runs as trajectories. Does not
own: the tasks and the attempts (the domain), or printing (`cli/`). It knows no domain.

A failure of ours (an error with a code) is told as one and never counts as an outcome.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pivotgym.core.errors import NotFound, PivotGymError
from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Trajectory
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.base.episode import TaskEpisode
from pivotgym.envs.base.runtime import Runtime

DONE = Action(content="Done.")
"""How each user turn of a played run ends."""


@dataclass(frozen=True)
class Played:
    """A run that came to its end.

    Attributes:
        outcome: What the task paid.
        messages: The whole conversation.
    """

    outcome: float
    messages: list[Message]


def play(runtime: Runtime, task: Task, turns: Sequence[Sequence[Action]]) -> Played:
    """Play a task from its start; what is left of its user turns is answered with `DONE`.

    Raises:
        InfrastructureError: If the world broke.
    """
    remaining = [list(turn) for turn in turns]
    with closing(TaskEpisode.start(runtime, task)) as episode:
        reward = 0.0
        while not episode.done:
            for action in [*(remaining.pop(0) if remaining else ()), DONE]:
                if not episode.done:
                    reward = episode.step(action).reward
        return Played(reward, episode.messages)


@dataclass(frozen=True)
class Run:
    """One of a task's runs.

    Attributes:
        name: `gold`, `nothing`, or the attempt's own.
        due: The outcome it must have.
        outcomes: What it had, each time it was played; `None` for an error.
        error: The first error's code and message, or "".
        repeats: Whether it showed the same each time, but for what the world calls irrelevant.
    """

    name: str
    due: float
    outcomes: tuple[float | None, ...]
    error: str
    repeats: bool

    @property
    def ok(self) -> bool:
        """Whether each outcome was the due one; the gold run must show the same each time, too."""
        return all(outcome == self.due for outcome in self.outcomes) and (self.repeats or self.name != "gold")


@dataclass(frozen=True)
class Validated:
    """A task's runs, and the wall time they took in seconds."""

    task: str
    runs: tuple[Run, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether each run was as it must be."""
        return all(run.ok for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """JSON form: `task`, `ok`, `seconds`, `runs`."""
        runs = [
            {"name": run.name, "due": run.due, "outcomes": run.outcomes, "repeats": run.repeats, "error": run.error}
            for run in self.runs
        ]
        return {"task": self.task, "ok": self.ok, "seconds": round(self.seconds, 3), "runs": runs}


def validate(runtime: Runtime, task: Task, *, times: int = 2) -> Validated:
    """Play a task's gold run, nothing at all, and each attempt the domain knows.

    Args:
        runtime: The domain's.
        task: One of the domain's.
        times: How often each run is played.
    """
    began = time.perf_counter()
    gold = runtime.domain.gold(task)
    attempts = [Attempt("gold", gold, 1.0), Attempt("nothing", [], 0.0), *runtime.domain.attempts(task)]
    runs = tuple(_run(runtime, task, attempt, times) for attempt in attempts)
    return Validated(task.id, runs, time.perf_counter() - began)


def validate_all(
    runtime: Runtime, tasks: Sequence[Task], *, times: int = 2, on_progress: Callable[[int, int], None] | None = None
) -> list[Validated]:
    """`validate` for each of some tasks."""
    found = []
    for done, task in enumerate(tasks, start=1):
        found.append(validate(runtime, task, times=times))
        if on_progress is not None:
            on_progress(done, len(tasks))
    return found


def chosen(runtime: Runtime, wanted: Iterable[str] = (), limit: int | None = None) -> list[Task]:
    """Some of a domain's tasks. Arguments and errors as for `picked`."""
    tasks = {task.id: task for task in runtime.tasks()}
    return [tasks[task_id] for task_id in picked(list(tasks), runtime.domain.name, wanted, limit)]


def picked(task_ids: Sequence[str], domain: str, wanted: Iterable[str] = (), limit: int | None = None) -> list[str]:
    """Some of a domain's tasks by id.

    Args:
        task_ids: All of them.
        domain: Its name.
        wanted: Ids, or beginnings of ids; all tasks where it is empty.
        limit: Most tasks, spread evenly over those that fit.

    Raises:
        NotFound: If one of `wanted` fits no task.
    """
    prefixes = tuple(wanted)
    for prefix in prefixes:
        if not any(task_id.startswith(prefix) for task_id in task_ids):
            some = ", ".join(task_ids[:5])
            raise NotFound(f"task: no id of {domain!r} begins with {prefix!r}; they are like {some}")
    found = [task_id for task_id in task_ids if not prefixes or task_id.startswith(prefixes)]
    kept = len(found) if limit is None else min(limit, len(found))
    return [found[place * len(found) // kept] for place in range(kept)]


def gold_trajectories(runtime: Runtime, tasks: Iterable[Task]) -> Iterator[Trajectory]:
    """The tasks' gold runs, played now, as expert trajectories with what was observed.

    Raises:
        InfrastructureError: If the world broke.
    """
    for task in tasks:
        played = play(runtime, task, runtime.domain.gold(task))
        yield Trajectory(
            id=task.id,
            domain=runtime.domain.name,
            tools=task.tools,
            messages=played.messages,
            origin=task.origin,
            outcome=played.outcome,
            metadata={**task.metadata, "task": task.id},
        )


def _run(runtime: Runtime, task: Task, attempt: Attempt, times: int) -> Run:
    outcomes: list[float | None] = []
    shown: list[list[str]] = []
    error = ""
    for _ in range(times):
        try:
            played = play(runtime, task, attempt.actions)
        except PivotGymError as failure:
            outcomes.append(None)
            error = error or f"{failure.code}: {failure}"
        else:
            outcomes.append(played.outcome)
            shown.append([message.text for message in played.messages if message.role == "tool"])
    return Run(attempt.name, attempt.outcome, tuple(outcomes), error, _same(runtime, shown))


def _same(runtime: Runtime, shown: list[list[str]]) -> bool:
    with closing(runtime.domain.world()) as world:
        seen = {tuple(world.normalise(text) for text in texts) for texts in shown}
    return len(seen) <= 1
