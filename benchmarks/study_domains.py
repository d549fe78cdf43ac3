"""The study's domains for its compact policy: are they of middle difficulty after SFT, and what does that cost?

    python benchmarks/study_domains.py OUT [--domain tool_use] [--experts 60] [--epochs 2] [--lr 1e-3] [--states 100]

For each domain: the base policy is fine-tuned on the turns of a few experts, then K actions are sampled at held-out
states of other experts and scored by execution, and by equality, and held-out tasks are played to their end. CPU
seconds are those of this process; the server's processes have their own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from pivotgym.core.jsonl import read_records
from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.study.base import BaseSettings, base_policy
from pivotgym.study.contract import StudyDomain
from pivotgym.study.domains import NAMES, study_domain
from pivotgym.study.text import study_format
from pivotgym.trainer.engine import LocalEngine
from pivotgym.trainer.episodes import play
from pivotgym.trainer.evaluation import evaluate
from pivotgym.trainer.extract import extract
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.scoring import ClientScorer
from pivotgym.trainer.settings import EvalConfig, ProfileConfig, SftSettings
from pivotgym.trainer.training import sft


@contextmanager
def timed(found: dict[str, Any], name: str) -> Iterator[None]:
    """CPU and wall seconds of a block, under its name."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    found[f"{name}_s"] = {"cpu": round(time.process_time() - cpu, 1), "wall": round(time.perf_counter() - wall, 1)}


def turns(runs: list[Trajectory], count: int, seed: int) -> list[Pivot]:
    """Some turns of some runs."""
    found = list(extract(runs))
    return Random(seed).sample(found, min(count, len(found)))


def measured(domain: StudyDomain, base: Path, out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one domain."""
    found: dict[str, Any] = {"domain": domain.name}
    out.mkdir(parents=True, exist_ok=True)
    with timed(found, "experts"):
        train, held = domain.experts("train", 0, options.experts), domain.experts("eval", 0, options.held)
    states = turns(held, options.states, 0)
    engine = LocalEngine(Policy.load(base, dtype="float32"), study_format())
    found["prompt_tokens"] = round(sum(engine.prompt_tokens(one.messages, one.tools) for one in states) / len(states))
    with domain.serve() as client:
        client.add_pivots(states)
        scorers = {"functional": ClientScorer(client), "strict": ClientScorer(client, rule="strict")}
        for arm in ("base", "sft"):
            if arm == "sft":
                settings = SftSettings(epochs=options.epochs, lr=options.lr, batch_size=8)
                with timed(found, "sft"):
                    sft(list(extract(train)), engine, out / "sft", settings)
            with timed(found, f"{arm}_profile"):
                profile(states, engine, scorers["functional"], out / f"{arm}.jsonl", ProfileConfig(k=options.k))
            found[arm] = profiled(list(read_records(out / f"{arm}.jsonl", Pivot)))
            strict = evaluate(
                states, engine, scorers["strict"], out / f"{arm}-strict.jsonl", EvalConfig(samples=options.k), arm=arm
            )
            rewards = [reward for row in strict for reward in row.rewards if reward is not None]
            found[arm]["strict"] = round(sum(rewards) / len(rewards), 3)
            with timed(found, f"{arm}_episodes"):
                found[arm]["episodes"] = played(domain, engine, client, out / f"{arm}-episodes.jsonl", arm, options)
    return found


def profiled(pivots: list[Pivot]) -> dict[str, Any]:
    """Mean reward, share of states with variance, states by tenth of their mean."""
    profiles = [pivot.profile for pivot in pivots if pivot.profile is not None]
    histogram = [0] * 11
    for one in profiles:
        histogram[round(one.mean * 10)] += 1
    return {
        "mean": round(sum(one.mean for one in profiles) / len(profiles), 3),
        "with_variance": round(sum(one.variance > 0 for one in profiles) / len(profiles), 3),
        "pivots": round(sum(one.variance > 0 and one.mean < 0.6 for one in profiles) / len(profiles), 3),
        "by_tenth": histogram,
    }


def played(
    domain: StudyDomain, engine: LocalEngine, client: Any, out: Path, arm: str, options: argparse.Namespace
) -> float:
    """Share of held-out tasks that the policy does."""
    ids = [task.id for task in domain.tasks("eval")][: options.tasks]
    config = EvalConfig(max_steps=domain.max_steps)
    rows = play(ids, engine, client, out, config, arm=arm, max_prompt_tokens=engine.policy.context_length - 64)
    return round(sum(row.outcome for row in rows) / len(rows), 3)


def main() -> None:
    """Run, print, and write `OUT/figures.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--domain", choices=NAMES, action="append")
    parser.add_argument("--experts", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--states", type=int, default=100)
    parser.add_argument("--held", type=int, default=80, help="Held-out experts whose turns are the states.")
    parser.add_argument("--tasks", type=int, default=80)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--base", type=json.loads, default={}, help="Settings of the base policy, as JSON.")
    options = parser.parse_args()
    domains = [study_domain(name) for name in NAMES]
    found: dict[str, Any] = {}
    with timed(found, "base"):
        base = base_policy(domains, options.out, BaseSettings(**options.base), on_step=told)
    for domain in domains:
        if domain.name in (options.domain or NAMES):
            found[domain.name] = measured(domain, base, options.out / domain.name, options)
            print(json.dumps(found[domain.name]), flush=True)
    (options.out / "figures.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def told(step: int, total: int, loss: float) -> None:
    """Progress of pre-training."""
    if step % 50 == 0:
        print(f"base: step {step} of {total}, loss {loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
