"""The terminal domain: time and space to build pivots, and what a verdict costs at them.

    python benchmarks/terminal.py [--pivots 1000] [--verdicts 200] [--threads 1] [--json OUT]

The pivots are the turns of gold runs of the project's own tasks, over as many seeds as that takes, in a new store.
Built = replayed from the start, each observation checked, snapshot stored, the expert's action run. Then, one at a
time and warm: a verdict on the expert's command spelled in another way (equal: it is run in the state and two
perturbed copies), on a command that does nothing (different: most often the state decides), on the expert's own text
(nothing is run), and a reset with one command. CPU seconds are those of all processes, of sandboxes too, and need a
machine to itself: they are read from the machine's own counters.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import gold_trajectories
from pivotgym.envs.sandbox import backends
from pivotgym.envs.terminal import domain
from pivotgym.trainer.extract import cut

TASKS_PER_SEED = 12


def busy_seconds() -> float:
    """CPU seconds that this machine has worked since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    idle = int(fields[3]) + int(fields[4])
    return (sum(map(int, fields[:8])) - idle) / os.sysconf("SC_CLK_TCK")


def pivots(count: int) -> list[Pivot]:
    """The turns of gold runs, recorded on a runtime of their own."""
    os.environ["PIVOTGYM_TERMINAL_SEEDS"] = f"0-{max(count // TASKS_PER_SEED, 1)}"
    recorder = Runtime(domain())

    def turns() -> Iterator[Pivot]:
        for run in gold_trajectories(recorder, recorder.tasks()):
            for turn in recorder.domain.candidates(run):
                pivot = cut(run, turn)
                if recorder.domain.acts(pivot.reference):
                    yield pivot

    found = list(itertools.islice(turns(), count))
    recorder.close()
    return found


def respelled(pivot: Pivot) -> Action:
    """The expert's commands in braces: other text, the same effects."""
    calls = [
        ToolCall(name=call.name, arguments={**dict(call.arguments), "command": f"{{\n{call.arguments['command']}\n}}"})
        for call in pivot.reference.tool_calls
    ]
    return Action(tool_calls=tuple(calls))


def nothing(pivot: Pivot) -> Action:
    return Action(tool_calls=(ToolCall(name=pivot.reference.tool_calls[0].name, arguments={"command": "true"}),))


def timed(work: Callable[[Pivot], object], places: list[Pivot], threads: int) -> dict[str, float]:
    """Milliseconds of one call, calls a second, and calls a CPU second."""

    def one(pivot: Pivot) -> float:
        began = time.perf_counter()
        work(pivot)
        return 1000 * (time.perf_counter() - began)

    busy, began = busy_seconds(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        each = sorted(pool.map(one, places))
    wall, cpu = time.perf_counter() - began, busy_seconds() - busy
    return {
        "p50_ms": statistics.median(each),
        "p99_ms": each[min(len(each) - 1, int(0.99 * len(each)))],
        "per_s": len(each) / wall,
        "per_cpu_s": len(each) / cpu if cpu else 0.0,
    }


def reset(runtime: Runtime, pivot: Pivot) -> None:
    world = runtime.restore(pivot)
    world.run(nothing(pivot))
    world.close()


def measured(count: int, verdicts: int, threads: int) -> dict[str, Any]:
    began = time.perf_counter()
    places = pivots(count)
    print(f"{len(places)} pivots recorded in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    os.environ["PIVOTGYM_SNAPSHOTS"] = str(Path(os.environ["PIVOTGYM_SNAPSHOTS"]).with_name("built"))
    backends.close_all()
    runtime = Runtime(domain(), max_states=4 * count)
    found: dict[str, Any] = {
        "pivots": len(places),
        "threads": threads,
        "build": timed(runtime.prepare, places, threads),
    }
    found["build"]["total_s"] = len(places) / found["build"]["per_s"]
    folder = Path(os.environ["PIVOTGYM_SNAPSHOTS"])
    blocks = sum(path.lstat().st_blocks for path in folder.rglob("*"))
    found["store_kb_per_pivot"] = blocks * 512 / 1024 / len(places)
    step = max(len(places) // verdicts, 1)
    few = places[::step][:verdicts]
    outcomes = [runtime.verify(pivot, respelled(pivot)).outcome for pivot in few]
    found["respelled_called_equivalent"] = outcomes.count("equivalent") / len(few)
    found["nothing_called_equivalent"] = sum(
        runtime.verify(pivot, nothing(pivot)).outcome == "equivalent" for pivot in few
    ) / len(few)
    found["verdict, equal"] = timed(lambda pivot: runtime.verify(pivot, respelled(pivot)), few, threads)
    found["verdict, different"] = timed(lambda pivot: runtime.verify(pivot, nothing(pivot)), few, threads)
    found["verdict, same text"] = timed(lambda pivot: runtime.verify(pivot, pivot.reference), few, threads)
    found["reset and a command"] = timed(lambda pivot: reset(runtime, pivot), few, threads)
    runtime.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pivots", type=int, default=1000)
    parser.add_argument("--verdicts", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PIVOTGYM_SNAPSHOTS"] = f"{folder}/recorded"
        found = measured(given.pivots, given.verdicts, given.threads)
        backends.close_all()
    for name, value in found.items():
        shown = {key: round(number, 2) for key, number in value.items()} if isinstance(value, dict) else value
        print(f"{name}: {shown}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
