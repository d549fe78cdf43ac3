"""Reset, fork and verdict of each domain, at pivots of its own tasks; what the trainer adds to a sample and to a step.

Owns: finding pivots, and timing. Does not own: the table (`run`). What a domain lacks on this machine (a sandbox,
Chromium, a fetched package) is said in the row's place.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))

import grpo_step
from serve import pivot

from pivotgym.core.errors import PivotGymError
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.base.contract import World
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import chosen, gold_trajectories
from pivotgym.trainer.engine import SampledAction
from pivotgym.trainer.extract import cut
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer
from pivotgym.trainer.models import SMOLLM2_NAME
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.settings import ProfileConfig

TASKS = {
    "tool_use": ("tool_use", ""),
    "terminal": ("terminal", "logs/"),
    "swe": ("swe", "semver/"),
    "searches": ("browsing", "almanac/"),
    "pages": ("browsing", "shop/"),
}
"""Row -> domain, and how the ids of its tasks begin."""
PIVOTS, ROUNDS = 4, 3


def pivots_of(runtime: Runtime, beginning: str) -> list[Pivot]:
    """Turns of gold runs, in order, each of which acts."""
    tasks = chosen(runtime, [beginning] if beginning else (), 3)
    turns = (cut(run, turn) for run in gold_trajectories(runtime, tasks) for turn in runtime.domain.candidates(run))
    return list(itertools.islice((one for one in turns if runtime.domain.acts(one.reference)), PIVOTS))


def least(work: Callable[[Any], object], places: Sequence[Any]) -> dict[str, float]:
    """The least time by the clock and CPU time of this process, over the rounds, of a mean call; milliseconds."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for place in places:
            work(place)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    each = 1e3 / len(places)
    return {"wall_ms": min(walls) * each, "cpu_ms": min(cpus) * each}


def domain_rows() -> Iterator[dict[str, Any]]:
    """The rows of every domain."""
    for name, (domain, beginning) in TASKS.items():
        try:
            yield from _rows_of(name, domain, beginning)
        except PivotGymError as error:
            yield {"name": name, "skipped": error.message}


def _rows_of(name: str, domain: str, beginning: str) -> Iterator[dict[str, Any]]:
    runtime = Runtime(load_domain(domain))
    try:
        missing = runtime.domain.ready()
        if missing is not None:
            yield {"name": name, "skipped": missing}
            return
        pivots = pivots_of(runtime, beginning)
        for one in pivots:
            runtime.prepare(one)
        yield {"name": f"{name}: reset and first action", **least(lambda one: _act(runtime.restore(one), one), pivots)}
        worlds = [(runtime.restore(one), one) for one in pivots]
        yield {"name": f"{name}: fork and first action", **least(lambda pair: _act(pair[0].fork(), pair[1]), worlds)}
        for world, _ in worlds:
            world.close()
        pairs = [(one, pivots[at - 1].reference) for at, one in enumerate(pivots)]
        yield {"name": f"{name}: verify", **least(lambda pair: runtime.verify(*pair), pairs)}
    finally:
        runtime.close()
        runtime.domain.close()


def _act(world: World, at: Pivot) -> None:
    """Take the expert's action: until then a world may put off what a reset or a fork costs."""
    world.run(at.reference)
    world.close()


class Ready:
    """A policy engine that costs nothing: its actions are there already."""

    policy_id, format_id, in_flight = "ready", "none/1", 16

    def prompt_tokens(self, messages: object, tools: object) -> int:
        """See `PolicyEngine`."""
        return 1

    def sample(self, queries: Sequence[Any], sampling: object, *, on_done: Any = None) -> list[list[SampledAction]]:
        """See `PolicyEngine`."""
        found = [
            [SampledAction(Action(content="b"), "b", heat, (1,), (0.0,)) for heat in one.temperatures]
            for one in queries
        ]
        if on_done is not None:
            on_done(dict(enumerate(found)))
        return found


class Paid:
    """A scorer that costs nothing."""

    def score(self, groups: Sequence[tuple[Pivot, Sequence[Any]]]) -> list[list[Any]]:
        """See `Scorer`."""
        verdict = Verdict(reward=1.0, outcome="equivalent", method="paid", executed=False)
        return [[verdict] * len(actions) for _, actions in groups]


def trainer_rows() -> Iterator[dict[str, Any]]:
    """What profiling costs beside engine and verdicts, and an update beside one without shared prefixes."""
    states = [pivot(turn=turn) for turn in range(64)]
    config = ProfileConfig(k=8)
    with tempfile.TemporaryDirectory() as scratch:
        names = itertools.count()
        found = least(lambda _: profile(states, Ready(), Paid(), Path(scratch, f"{next(names)}.jsonl"), config), [0])
    yield {"name": "profile: overhead per sample", **{key: value / 64 / 8 for key, value in found.items()}}
    if not (folder := cache_dir() / "models" / SMOLLM2_NAME).is_dir():
        yield {"name": "train: update", "skipped": "SmolLM2 was not fetched; `make demo` does"}
        return
    torch.set_num_threads(1)
    policy = Policy.load(folder)
    optimizer = PolicyOptimizer(policy, OptimConfig(lr=1e-7))
    state = list(range(200, 400))
    actions = [list(range(300 + 40 * n, 300 + 40 * n + grpo_step.ACTION_TOKENS)) for n in range(8)]
    times = {}
    for name, update in (("shared", grpo_step.update_shared), ("plain", grpo_step.update_plain)):
        update(policy, optimizer, state, actions)
        times[name] = grpo_step.timed(3, partial(update, policy, optimizer, state, actions))
    wall, cpu = times["shared"]
    floor = {"floor_ms": times["plain"][1] * 1e3, "floor": "the same update without shared prefixes"}
    yield {"name": "train: update, 200 tokens, 8 actions", "wall_ms": wall * 1e3, "cpu_ms": cpu * 1e3, **floor}
