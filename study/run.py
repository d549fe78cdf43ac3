"""The whole study: data and base of every seed, then every arm of every domain and seed, resumable.

Owns: the order, the files of a study's folder, what is kept between runs, processes. Does not own: what an arm does
(`study/arms`), pages (`study/report`).

    OUT/raw/{domain}-{seed}.jsonl     one line per finished arm; all tables, plots and answers come from these
    OUT/config.yaml                   the configuration
    OUT/work/                         the pre-trained policy, bases, states, profiles; may be removed when all is done
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import torch
import yaml

from pivotgym.core.errors import ConfigError
from pivotgym.core.formats import get_format
from pivotgym.core.jsonl import Appender, atomic, read_records, write_records
from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.servers.client import Client
from pivotgym.study.arms import Cell, first_point, load, run_arm, starts_from
from pivotgym.study.config import StudyConfig
from pivotgym.study.contract import StudyDomain
from pivotgym.study.measures import Measure, Place
from pivotgym.study.results import Result, read_results
from pivotgym.trainer.candidates import prepare
from pivotgym.trainer.engine import LocalEngine
from pivotgym.trainer.extract import ExtractReport, extract
from pivotgym.trainer.training import sft

Say = Callable[[str], None]


class Source(Protocol):
    """What a study is made of; handed to worker processes, so it can be pickled."""

    def domain(self, name: str) -> StudyDomain:
        """The domain of that name."""

    def pretrained(self, folder: Path) -> Path:
        """The folder of the pre-trained policy, made in `folder` the first time."""

    def passages(self, count: int) -> list[str]:
        """Plain text that no policy is trained on."""


@dataclass(frozen=True)
class Study:
    """A study and its folder.

    Attributes:
        out: See the module.
        config: Of all arms.
        source: Domains and policy.
        arms: To run, each after the one it starts from.
        domains: To train in; held-out states of all the configured ones are measured.
        seeds: How many, from 0.
    """

    out: Path
    config: StudyConfig
    source: Source
    arms: Sequence[str]
    domains: Sequence[str]
    seeds: int

    def raw(self, domain: str, seed: int) -> Path:
        """The lines of one domain and seed."""
        return self.out / "raw" / f"{domain}-{seed}.jsonl"

    def work(self, *parts: str) -> Path:
        """A path below the folder for what may be removed."""
        return self.out.joinpath("work", *parts)

    def done(self, domain: str, seed: int) -> dict[str, Result]:
        """The finished arms of one domain and seed.

        Raises:
            ConfigError: If one was run with other settings.
        """
        file = self.raw(domain, seed)
        if not file.exists():
            return {}
        Appender(file).close()
        found = {row.arm: row for row in read_records(file, Result)}
        for arm in set(found) & set(self.config.arms):
            if found[arm].settings != self.config.digest_of(arm):
                raise ConfigError(
                    f"{file}: expected arm {arm!r} to be run with these settings, got others",
                    hint="give another folder, or remove the line to run it again",
                )
        return found


def run_study(study: Study, *, workers: int = 1, say: Say = print) -> list[Result]:
    """Run what is not done yet.

    Args:
        study: What to run.
        workers: Processes, each at one domain and seed, on one thread; 1: this one alone.
        say: Told what is finished.

    Returns:
        All lines of the folder.

    Raises:
        ConfigError: If the folder holds arms that were run with other settings.
    """
    for domain in study.domains:
        for seed in range(study.seeds):
            study.done(domain, seed)
    study.out.mkdir(parents=True, exist_ok=True)
    with atomic(study.out / "config.yaml") as file:
        file.write(yaml.safe_dump(study.config.model_dump(mode="json"), sort_keys=False).encode())
    jobs = _Jobs(workers, say)
    seeds, all_domains = [str(seed) for seed in range(study.seeds)], study.config.domains
    jobs.do(_pretrain, [(study, "")])
    jobs.do(_held_out, [(study, name) for name in all_domains])
    jobs.do(_states, [(study, f"{name}:{seed}") for seed in seeds for name in all_domains])
    jobs.do(_warm_up, [(study, seed) for seed in seeds])
    jobs.do(_run_cell, [(study, f"{name}:{seed}") for seed in seeds for name in study.domains])
    return read_results(study.out / "raw")


Job = Callable[[Study, str], str]


@dataclass(frozen=True)
class _Jobs:
    """Runs jobs here or in processes of their own."""

    workers: int
    say: Say

    def do(self, job: Job, calls: Sequence[tuple[Study, str]]) -> None:
        """All calls of a job; the first failure ends it once the running ones are through."""
        if self.workers == 1:
            for study, what in calls:
                self._tell(job(study, what))
            return
        # Spawned, for a forked process inherits the locks of torch's and the server's threads.
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"), initializer=_single) as pool:
            for done in as_completed([pool.submit(job, study, what) for study, what in calls]):
                self._tell(done.result())

    def _tell(self, line: str) -> None:
        if line:
            self.say(line)


def _single() -> None:
    torch.set_num_threads(1)


def _pretrain(study: Study, what: str) -> str:
    study.source.pretrained(study.work())
    return ""


def _held_out(study: Study, name: str) -> str:
    """The held-out pivots of a domain, the same for all seeds."""
    file, data = study.work(name, "eval-pivots.jsonl"), study.config.data
    if file.exists():
        return ""
    domain = study.source.domain(name)
    with domain.serve() as client:
        experts = domain.experts("eval", 0, data.eval_pivots)
        pivots, why = _pivots(study, experts, client, data.eval_pivots, per_trajectory=data.eval_turns, seed=0)
    write_records(file, pivots)
    return f"{name}: {len(pivots)} held-out pivots{why}"


def _states(study: Study, what: str) -> str:
    """The experts of a domain and seed: a few runs for the base, the states of the others for the arms."""
    name, _, seed = what.partition(":")
    file, data = study.work(name, f"seed-{seed}", "candidates.jsonl"), study.config.data
    if file.exists():
        return ""
    domain = study.source.domain(name)
    # A run has two turns at the least, and its last says that all is done.
    experts = domain.experts("train", int(seed), study.config.warmup.trajectories + -(-data.candidates // 2))
    random.Random(f"{name}:{seed}").shuffle(experts)
    few, others = experts[: study.config.warmup.trajectories], experts[study.config.warmup.trajectories :]
    with domain.serve() as client:
        pivots, why = _pivots(study, others, client, data.candidates, per_trajectory=None, seed=int(seed))
    write_records(file.with_name("warmup.jsonl"), list(extract(few)))
    write_records(file, pivots)
    return f"{name}, seed {seed}: {len(pivots)} candidates{why}"


def _pivots(
    study: Study, experts: Sequence[Trajectory], client: Client, count: int, *, per_trajectory: int | None, seed: int
) -> tuple[list[Pivot], str]:
    """States of some runs that replay, drawn trajectory by trajectory, and what was dropped."""
    report, rng = ExtractReport(), random.Random(seed)
    policy = load(study.source.pretrained(study.work()))
    engine = LocalEngine(policy, get_format(study.config.format))
    longest = policy.context_length - study.config.evaluate.max_new_tokens
    drawn: list[Pivot] = []
    for trajectory in rng.sample(list(experts), len(experts)):
        turns = list(
            extract([trajectory], prompt_tokens=engine.prompt_tokens, max_prompt_tokens=longest, report=report)
        )
        rng.shuffle(turns)
        drawn += sorted(turns[:per_trajectory], key=lambda pivot: pivot.turn)
        if len(drawn) >= count:
            break
    kept = prepare(client, drawn[:count], report)
    return kept, f" (dropped: {dict(report.dropped)})" if report.dropped else ""


def _warm_up(study: Study, seed: str) -> str:
    """The base of a seed: the pre-trained policy after SFT on a few experts of every domain."""
    out = study.work(f"seed-{seed}", "base")
    if (out / "policy").exists():
        return ""
    names = study.config.domains
    pivots = [
        pivot for name in names for pivot in read_records(study.work(name, f"seed-{seed}", "warmup.jsonl"), Pivot)
    ]
    engine = LocalEngine(load(study.source.pretrained(study.work())), get_format(study.config.format))
    metrics = sft(pivots, engine, out, study.config.warmup.sft.model_copy(update={"seed": int(seed)}))
    return f"base, seed {seed}: {len(pivots)} expert turns, last loss {metrics['loss']:.3f}"


def _run_cell(study: Study, what: str) -> str:
    """All arms of one domain and seed that are not done."""
    name, _, number = what.partition(":")
    seed, done = int(number), study.done(name, int(number))
    folder = study.work(name, f"seed-{seed}")
    kept = {start for arm in study.arms if arm not in done if (start := starts_from(study.config, arm)) is not None}
    todo = [arm for arm in study.arms if arm not in done or (arm in kept and not (folder / arm / "policy").exists())]
    if not todo:
        return f"{name}, seed {seed}: done before"
    with ExitStack() as stack:
        cell = _open(study, name, seed, stack)
        first = first_point(cell)
        file = stack.enter_context(Appender(study.raw(name, seed)))
        for arm in todo:
            start = starts_from(study.config, arm)
            done[arm] = run_arm(cell, arm, None if start is None else done[start], first)
            file.append(done[arm])
            _tidy(study, folder / arm)
    wall = sum(done[arm].training.wall_s for arm in todo)
    return f"{name}, seed {seed}: {len(todo)} arms in {wall:.0f} s of training"


def _tidy(study: Study, folder: Path) -> None:
    """Remove what an arm's run left, but the policy where another arm starts from it."""
    if folder.name in {arm.start for arm in study.config.arms.values()}:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    else:
        shutil.rmtree(folder)


def _open(study: Study, name: str, seed: int, stack: ExitStack) -> Cell:
    """The cell with its servers running."""
    base, config = study.work(f"seed-{seed}", "base", "policy"), study.config
    folder = study.work(name, f"seed-{seed}")
    places = {}
    for other in config.domains:
        domain = study.source.domain(other)
        pivots = list(read_records(study.work(other, "eval-pivots.jsonl"), Pivot))
        client = stack.enter_context(domain.serve(pivots))
        tasks = [task.id for task in domain.tasks("eval")]
        # An unseen task is one of the evaluation split; which of them are played is the same for all seeds.
        chosen = random.Random(0).sample(tasks, min(config.data.eval_tasks, len(tasks)))
        places[other] = Place(client, pivots, chosen, domain.max_steps)
    here = places.pop(name)
    candidates = list(read_records(folder / "candidates.jsonl", Pivot))
    here.client.add_pivots(candidates)
    passages = study.source.passages(config.data.passages)
    return Cell(
        config=config,
        domain=name,
        seed=seed,
        folder=folder,
        client=here.client,
        base=base,
        candidates=candidates,
        tasks=[task.id for task in study.source.domain(name).tasks("train")],
        max_steps=here.max_steps,
        measure=Measure(config, here, places, passages, load(base), folder / "measuring"),
    )
