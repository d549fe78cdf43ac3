"""How each arm trains: from the base, with the cell's states, to a policy and what it cost.

Owns: which stage an arm runs on which states under which reward. Does not own: the stages (`trainer`, `study/episodes`,
`study/recipes`), what is measured (`study/measures`), order and files of a study (`study/run`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pivotgym.core.formats import get_format
from pivotgym.core.jsonl import atomic, read_records
from pivotgym.core.samples import PivotSamples, samples_file
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client
from pivotgym.study.config import BASE, Arm, StudyConfig
from pivotgym.study.episodes import train_episodes
from pivotgym.study.measures import Measure
from pivotgym.study.metering import MeteredEngine, MeteredScorer
from pivotgym.study.recipes.prefix_rft import PrefixEngine
from pivotgym.study.recipes.rif_rft import solvable
from pivotgym.study.recipes.s3ft import own_targets
from pivotgym.study.results import Audit, Cost, Meter, Point, Result
from pivotgym.trainer.filter import filter_pivots
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.scoring import ClientScorer
from pivotgym.trainer.training import Grpo, read_log, sft

ProfileRule = Literal["functional", "text"]


@dataclass
class Cell:
    """One domain with one seed: what all arms share.

    Attributes:
        config: The study's.
        domain: Its name.
        seed: Of experts, base and runs.
        folder: For profiles and policies while the cell runs.
        client: Of the domain's server, which knows all pivots.
        base: Folder of the policy that arms start from.
        candidates: States of the experts' runs.
        tasks: Ids of the training tasks.
        max_steps: Actions after which an episode is cut.
        measure: Measures policies.
    """

    config: StudyConfig
    domain: str
    seed: int
    folder: Path
    client: Client
    base: Path
    candidates: Sequence[Pivot]
    tasks: Sequence[str]
    max_steps: int
    measure: Measure

    def rule(self, name: Literal["functional", "strict", "text"]) -> str | None:
        """The server's name of a reward; `None`: its own, by execution."""
        return {"functional": None, "strict": "strict", "text": self.config.text_rules.get(self.domain)}[name]

    def profile_file(self, rule: ProfileRule) -> Path:
        """Where the profiles by a rule are."""
        return self.folder / f"profile-{rule}.jsonl"

    def profiled(self, rule: ProfileRule) -> tuple[list[Pivot], Cost]:
        """The candidates with the base's profiles, and what these cost whoever made them."""
        file, told = self.profile_file(rule), self.folder / f"profile-{rule}.cost.json"
        if not told.exists():
            # Without its cost it is from a run that was killed, and half a cost would be a wrong one.
            for stale in (file, samples_file(file)):
                stale.unlink(missing_ok=True)
            meter = Meter()
            settings = self.config.profile.model_copy(update={"seed": self.seed})
            with meter.timed():
                engine = MeteredEngine(load(self.base), get_format(self.config.format), meter)
                scorer = MeteredScorer(ClientScorer(self.client, rule=self.rule(rule)), meter)
                profile(self.candidates, engine, scorer, file, settings)
            with atomic(told) as out:
                out.write(meter.cost.model_dump_json().encode())
        place = {pivot.id: number for number, pivot in enumerate(self.candidates)}
        found = sorted(read_records(file, Pivot), key=lambda pivot: place[pivot.id])
        return found, Cost.model_validate_json(told.read_text())


def load(folder: Path) -> Policy:
    """A policy of the study: small, so in the precision in which the sampler and the trainer agree."""
    return Policy.load(folder, dtype="float32")


@dataclass
class _Run:
    """One arm in the making."""

    cell: Cell
    arm: Arm
    engine: MeteredEngine
    meter: Meter
    out: Path
    before: Cost
    curve: list[Point]
    states: int = 0
    log: list[dict[str, float]] = field(default_factory=list)
    audit: Audit | None = None

    def checkpoint(self, step: int) -> None:
        """Play the tasks of the curve; its time does not count."""
        self.meter.lap()
        cost = self.before + self.meter.cost
        self.curve.append(Point(step=step, cost=cost, success=self.cell.measure.curve(self.engine.policy)))
        self.meter.skip()

    def watch(self) -> Callable[[int, int, dict[str, float]], None]:
        """A callback (done, total, metrics) that makes the configured number of checkpoints in equal parts."""
        parts, passed = self.cell.config.data.checkpoints, 0

        def on_step(done: int, total: int, metrics: dict[str, float]) -> None:
            nonlocal passed
            if parts * done // total > passed:
                passed = parts * done // total
                self.checkpoint(int(metrics.get("step", done)))

        return on_step


def run_arm(cell: Cell, name: str, start: Result | None, first: Point) -> Result:
    """Train and measure one arm.

    Args:
        cell: Domain and seed.
        name: Of the arm.
        start: The result of the arm that this one starts from, whose policy stands in the cell's folder; `None`: base.
        first: The base on the tasks of the curve.

    Returns:
        Its raw line.
    """
    arm, meter, out = cell.config.arms[name], Meter(), cell.folder / name
    shutil.rmtree(out, ignore_errors=True)
    kind = PrefixEngine if arm.prefix else MeteredEngine
    origin = cell.base if start is None else cell.folder / arm.start / "policy"
    engine = kind(load(origin), get_format(cell.config.format), meter)
    profiling = Cost() if start is None else start.profiling
    earlier = Cost() if start is None else start.training
    if (rule := arm.profiled_by) is not None:
        profiling = profiling + cell.profiled(rule)[1]
    run = _Run(cell, arm, engine, meter, out, profiling + earlier, [first])
    with meter.timed():
        _METHODS[arm.method](run)
    if not (out / "policy").exists():
        run.engine.policy.save(out / "policy")
    watch = Meter()
    with watch.timed():
        measures = cell.measure.all(run.engine.policy)
    shares = [row["zero_variance_share"] for row in run.log if "zero_variance_share" in row]
    return Result(
        domain=cell.domain,
        arm=name,
        seed=cell.seed,
        settings=cell.config.digest_of(name),
        states=run.states,
        steps=len(run.log),
        zero_variance_share=sum(shares) / len(shares) if shares else None,
        measures=measures,
        profiling=profiling,
        training=earlier + meter.cost,
        evaluation_wall_s=watch.cost.wall_s,
        curve=run.curve,
        audit=run.audit,
    )


def _none(run: _Run) -> None:
    """The base as it is."""


def _sft(run: _Run, targets: Sequence[Pivot] | None = None) -> None:
    """SFT on the states that RL draws from: the same data."""
    pivots = list(run.cell.candidates if targets is None else targets)
    settings = run.cell.config.sft.model_copy(update={"seed": run.cell.seed, "checkpoint_every": 1_000_000})
    run.states = len(pivots)
    sft(pivots, run.engine, run.out, settings, on_step=run.watch())
    run.log = read_log(run.out / "log.jsonl")


def _s3ft(run: _Run) -> None:
    profiled, _ = run.cell.profiled("functional")
    samples = read_records(samples_file(run.cell.profile_file("functional")), PivotSamples)
    _sft(run, own_targets(profiled, samples)[0])


def _states(run: _Run) -> list[Pivot]:
    """What an arm's GRPO trains on."""
    cell, arm = run.cell, run.arm
    if arm.profiled_by is None:
        return list(cell.candidates)
    profiled, _ = cell.profiled("text" if arm.rule == "text" else "functional")
    if arm.states == "solvable":
        return solvable(profiled)
    return filter_pivots(profiled, cell.config.filter.model_copy(update={"rule": arm.states}))[0]


def _grpo(run: _Run) -> None:
    cell, arm, config = run.cell, run.arm, run.cell.config
    pivots = _states(run)
    run.states = len(pivots)
    if not pivots:
        return  # The filter left nothing: the policy stays the base's, which is this arm's result here.
    if isinstance(run.engine, PrefixEngine):
        run.engine.follow(pivots, share=arm.prefix, steps=config.grpo.steps)
    audited = config.data.audited if arm.rule != "functional" else 0
    scorer = MeteredScorer(ClientScorer(cell.client, rule=cell.rule(arm.rule)), run.meter, kept=audited, seed=cell.seed)
    settings = config.grpo.model_copy(update={"seed": cell.seed, "checkpoint_every": 1_000_000})
    Grpo(pivots, run.engine, scorer, run.out, settings).run(run.watch())
    run.log = read_log(run.out / "log.jsonl")
    if audited:
        run.meter.lap()
        run.audit = scorer.audit(ClientScorer(cell.client))
        run.meter.skip()


def _episodes(run: _Run) -> None:
    cell, config = run.cell, run.cell.config
    settings = config.episodes.model_copy(update={"turns": round(run.arm.budget * config.episodes.turns)})
    run.states = len(cell.tasks)
    run.log = train_episodes(
        cell.tasks, run.engine, cell.client, settings, seed=cell.seed, max_steps=cell.max_steps, on_step=run.watch()
    )


_METHODS: dict[str, Callable[[_Run], None]] = {
    "none": _none,
    "sft": _sft,
    "s3ft": _s3ft,
    "grpo": _grpo,
    "episodes": _episodes,
}


def first_point(cell: Cell) -> Point:
    """Where every curve begins."""
    return Point(step=0, cost=Cost(), success=cell.measure.curve(load(cell.base)))


def starts_from(config: StudyConfig, name: str) -> str | None:
    """The arm that an arm starts from; `None` for the base."""
    start = config.arms[name].start
    return None if start == BASE else start
