"""Airline and retail: which recorded runs replay and which are refused, and the times of states and verdicts.

Run: python benchmarks/tau_replay.py --data ../shared/data [--json OUT]

`--data` holds `tau_bench/` (the databases) and `trajectories/tool_use/` (the runs). The table counts runs and
observations: `same` (to the byte), `renamed` (a field of an address has another name by now, see the domain's README),
`refused` (with the first difference). Times are CPU time of the thread, so that a busy machine does not change them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import Pivot, Trajectory, steps_of
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.tau.database import load
from pivotgym.envs.tool_use.tau.toolkit import DATABASES, TauToolkit
from pivotgym.trainer.extract import cut

FILES = ("airline_gpt4o", "airline_gpt4o_failed_sample", "retail_gold_replay")


def observations(run: Trajectory) -> Counter[str]:
    """How each recorded observation compares with the replayed one, call by call."""
    toolkit, found = TauToolkit(), Counter[str]()
    toolkit.start(run.origin, 0)
    for step in steps_of(run.messages):
        for call, recorded in zip(step.action.tool_calls, step.observations or (), strict=False):
            text = toolkit.call(call.name, dict(call.arguments) if isinstance(call.arguments, dict) else {})
            same = toolkit.normalise(text) == toolkit.normalise(recorded)
            found["same" if text == recorded else "renamed" if same else "refused"] += 1
    return found


def replayed(runtime: Runtime, runs: Sequence[Trajectory]) -> dict[str, Any]:
    """Runs and observations of one file, by what became of them."""
    seen, refused = Counter[str](), Counter[str]()
    for run in runs:
        seen.update(observations(run))
        try:
            runtime.states.get(run.origin, list(steps_of(run.messages))).close()
        except PivotRefused as refusal:
            refused[refusal.message] += 1
    return {"runs": len(runs), "refused": sum(refused.values()), "causes": dict(refused), "observations": dict(seen)}


def pivots(runtime: Runtime, runs: Sequence[Trajectory]) -> list[Pivot]:
    return [cut(run, turn) for run in runs for turn in runtime.domain.candidates(run)]


def timed(what: str, job: Callable[[Any], object], over: Sequence[Any]) -> dict[str, float]:
    times = []
    for item in over:
        start = time.thread_time()
        job(item)
        times.append((time.thread_time() - start) * 1e6)
    times.sort()
    row = {"n": len(times), "p50_us": statistics.median(times), "p99_us": times[int(0.99 * (len(times) - 1))]}
    print(f"{what:<52} n={row['n']:<5} p50 {row['p50_us']:9.1f} us   p99 {row['p99_us']:9.1f} us")
    return row


def times(runtime: Runtime, at: Sequence[Pivot]) -> dict[str, dict[str, float]]:
    def changed(pivot: Pivot) -> None:
        world = runtime.restore(pivot)
        world.run(pivot.reference)
        world.digest()

    writes = [pivot for pivot in at if _changes(runtime, pivot)]
    others = [(pivot, writes[(place + 7) % len(writes)].reference) for place, pivot in enumerate(at)]
    jobs: list[tuple[str, Callable[[Any], object], Sequence[Any]]] = [
        ("restore and expert's effects, cached prefixes", runtime.prepare, at),
        ("restore, cached", runtime.restore, at),
        ("fork", lambda world: world.fork(), [runtime.restore(pivot) for pivot in at]),
        ("fork, a call that changes the database, both digests", changed, writes),
        ("verify, the expert's own action, first at a pivot", lambda pivot: runtime.verify(pivot, pivot.reference), at),
        ("verify, the expert's own action, again", lambda pivot: runtime.verify(pivot, pivot.reference), at),
        ("verify, another action (executed)", lambda pair: runtime.verify(*pair), others),
    ]
    return {what: timed(what, job, over) for what, job, over in jobs}


def _changes(runtime: Runtime, pivot: Pivot) -> bool:
    world = runtime.restore(pivot)
    return world.run(Action(tool_calls=pivot.reference.tool_calls)).changed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sources.configure({"tau": given.data / "tau_bench"})
    start = time.perf_counter()
    for name, database in DATABASES.items():
        load(sources.path("tau") / name, database.tables)
    loaded = time.perf_counter() - start
    print(f"both databases loaded, once per process: {loaded * 1e3:.0f} ms")
    runtime = Runtime(domain(), max_states=4000)
    runs = {name: list(read_chat(given.data / "trajectories" / "tool_use" / f"{name}.jsonl")) for name in FILES}
    table = {name: replayed(runtime, found) for name, found in runs.items()}
    for name, row in table.items():
        seen = ", ".join(f"{what} {count}" for what, count in sorted(row["observations"].items()))
        print(f"{name:<28} runs {row['runs']:>3}  refused {row['refused']:>2}  observations: {seen}")
    runtime.states.clear()
    measured = times(runtime, [pivot for found in runs.values() for pivot in pivots(runtime, found)])
    if given.json:
        given.json.write_text(json.dumps({"load_s": loaded, "replay": table, "times": measured}, indent=2))


if __name__ == "__main__":
    main()
