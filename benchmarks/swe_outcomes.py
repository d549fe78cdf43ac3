"""Outcomes of generated tasks per minute: a state that an agent left is judged by the package's whole suite.

    python benchmarks/swe_outcomes.py [--workers 2] [--limit 20] [--rounds 3]

Needs `pivotgym fetch swe`. Before anything is timed, each package's own suite is run, as a server does once per
machine, and each task is mended once by its patch. Then workers judge those states, in the same order each round; the
second figure is whole runs of the patch: a new machine from its snapshot, the command, the end, the outcome.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from pivotgym.core.messages import Action
from pivotgym.envs.base.contract import Task, World
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import chosen, play
from pivotgym.envs.swe import domain


def main() -> None:
    """Mend, judge, play."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=20, help="tasks, spread over all")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with closing(Runtime(domain())) as runtime:
        tasks = chosen(runtime, limit=given.limit)
        mended = [mend(runtime, task) for task in tasks]
        jobs = [(task, world) for _ in range(given.rounds) for task, world in zip(tasks, mended, strict=True)]
        print(f"{len(tasks)} tasks, {given.workers} workers, load before {os.getloadavg()[0]:.1f}")
        measure("outcomes", given.workers, [lambda job=job: must_pay(job[1].outcome(job[0]), job[0]) for job in jobs])
        runs = [lambda task=task: must_pay(play(runtime, task, [patch(runtime, task)]).outcome, task) for task in tasks]
        measure("runs of one command", given.workers, runs)
        for world in mended:
            world.close()


def mend(runtime: Runtime, task: Task) -> World:
    """A task's world with its bug mended, and judged once."""
    world = runtime.states.get(task.origin, [], 0)
    world.run(patch(runtime, task)[0])
    must_pay(world.outcome(task), task)
    return world


def patch(runtime: Runtime, task: Task) -> Sequence[Action]:
    """The actions of the attempt that mends a task by one command."""
    return next(attempt for attempt in runtime.domain.attempts(task) if attempt.name == "with patch").actions[0]


def must_pay(outcome: float, task: Task) -> None:
    """Refuse an outcome that is not the due one."""
    if outcome != 1.0:
        raise SystemExit(f"{task.id}: expected 1.0, got {outcome}")


def measure(what: str, workers: int, jobs: Sequence[Callable[[], None]]) -> None:
    """Print jobs per minute, and how long one takes."""

    def timed(job: Callable[[], None]) -> float:
        began = time.perf_counter()
        job()
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        times = sorted(pool.map(timed, jobs))
    wall = time.perf_counter() - began
    print(
        f"{what:<22} {60 * len(jobs) / wall:6.1f} per minute   n={len(jobs):<4} p50 {statistics.median(times):5.2f} s "
        f"  longest {times[-1]:5.2f} s   load after {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
