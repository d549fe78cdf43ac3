"""Times of states and verdicts in tool use, on BFCL: fork, restore, verify with and without execution.

Run: python benchmarks/tool_use_fork.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.bfcl import source
from pivotgym.envs.tool_use.bfcl.trajectories import CATEGORIES, load


def pivots() -> list[Pivot]:
    found = []
    for trajectory in load(CATEGORIES):
        for turn in trajectory.candidates or ():
            messages, reference = trajectory.at(turn)
            common = trajectory.model_dump(include={"domain", "tools", "origin"})
            accepted = (trajectory.accepted or {}).get(str(turn))
            found.append(
                Pivot(id=f"{trajectory.id}:{turn}", messages=messages, reference=reference, accepted=accepted, **common)
            )
    return found


def timed(what: str, job: Callable[[Any], object], over: Sequence[Any]) -> None:
    times = []
    for item in over:
        start = time.perf_counter()
        job(item)
        times.append((time.perf_counter() - start) * 1e6)
    times.sort()
    p99 = times[int(0.99 * (len(times) - 1))]
    print(f"{what:<48} n={len(times):<6} p50 {statistics.median(times):9.1f} us   p99 {p99:9.1f} us")


def main() -> None:
    source.fetch()
    everything = pivots()
    runtime = Runtime(domain(), max_states=2000)
    executed = [pivot for pivot in everything if runtime.domain.executable(pivot.origin)]
    others = [pivot for pivot in everything if not runtime.domain.executable(pivot.origin)]
    timed("restore, nothing cached", lambda pivot: Runtime(runtime.domain).restore(pivot), executed[::4])
    timed("restore and expert's effects, cached prefixes", runtime.prepare, executed)
    timed("restore, cached", runtime.restore, executed)
    worlds = [runtime.restore(pivot) for pivot in executed]
    timed("fork", lambda world: world.fork(), worlds)
    timed("fork, then the expert's call and both digests", _fork_and_run, list(zip(worlds, executed, strict=True)))
    neighbours = [(one, two) for one, two in pairwise(executed) if one.trajectory_id == two.trajectory_id]
    timed("verify, executed", lambda pair: runtime.verify(pair[0], pair[1].reference), neighbours)
    timed("verify, fast path", lambda pivot: runtime.verify(pivot, pivot.reference), executed)
    timed("verify, accepted answers", lambda pivot: _corrupt_and_verify(runtime, pivot), others)


def _fork_and_run(pair: tuple[Any, Pivot]) -> None:
    pair[0].fork().run(pair[1].reference)


def _corrupt_and_verify(runtime: Runtime, pivot: Pivot) -> None:
    calls = (*pivot.reference.tool_calls, pivot.reference.tool_calls[0])
    runtime.verify(pivot, pivot.reference.model_copy(update={"tool_calls": calls}))


if __name__ == "__main__":
    main()
