"""The two engines on the same states: rewards, losses, KL and gradient norms of the same steps, and where time goes.

    PYTHONPATH=tests/trainer:tests/trainer/openrlhf_engine python benchmarks/openrlhf_parity.py OUT [--steps 5]
    ... OUT --domain tool_use --pivots FILE --policy FOLDER      a real policy on real states, three steps

In an environment made by `make openrlhf-cpu`. By default a random policy of two layers learns to begin its actions with
an even character. Both engines see the same pivots in the same steps. Draws differ (two samplers, two generators), so
rewards agree as samples do. The share of the environment is, with OpenRLHF, that of a step in which its slowest sample
waited, summed over a sample's calls; with the embedded engine, that of the batch of verdicts.
"""

import argparse
import os
import time
from pathlib import Path

from even_domain import EvenDomain, make_pivots
from safetensors.torch import load_file
from tiny import save_tiny_policy

from pivotgym.core.formats import format_for, get_format
from pivotgym.core.jsonl import read_records
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.config import RunConfig, load_config
from pivotgym.trainer.engine import LocalEngine
from pivotgym.trainer.openrlhf import cpu
from pivotgym.trainer.openrlhf.run import make_plan, run
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.scoring import ClientScorer
from pivotgym.trainer.training import Grpo, read_log

SETTINGS = [
    "grpo.pivots_per_step=8",
    "grpo.group_size=16",
    "grpo.max_new_tokens=12",
    "grpo.lr=3e-4",
    "grpo.loss={kl_coef: 0.05, tis_cap: 5.0}",
    "max_prompt_tokens=240",
    "openrlhf.micro_batch_size=16",
    "openrlhf.request_retries=0",
]
REAL = [
    "grpo.pivots_per_step=4",
    "grpo.group_size=8",
    "grpo.max_new_tokens=48",
    "grpo.lr=4e-5",
    "max_prompt_tokens=360",
    "openrlhf.micro_batch_size=4",
    "openrlhf.request_retries=2",
]
SHOWN = ("reward_mean", "loss", "kl", "sampler_kl", "grad_norm", "tokens", "groups_trained", "masked")
PHASES = ("generation_s", "forward_s", "update_s", "sync_s", "env_seconds_max", "step_s")


class TimedScorer(ClientScorer):
    """Adds up the seconds spent in the environment."""

    seconds = 0.0

    def score(self, groups):
        """See `Scorer`."""
        begun = time.perf_counter()
        try:
            return super().score(groups)
        finally:
            self.seconds += time.perf_counter() - begun


def embedded(config: RunConfig, out: Path, policy: Path, pivots: list[Pivot], client: Client) -> tuple[float, float]:
    """Train with the embedded engine; seconds a step, and the share of them spent in the environment."""
    loaded = Policy.load(policy, dtype="bfloat16")
    reference = Policy.load(policy, dtype="bfloat16") if config.grpo.loss.get("kl_coef") else None
    template = loaded.tokenizer.chat_template
    fmt = get_format(config.format) if config.format != "auto" else format_for(str(policy), template)
    scorer = TimedScorer(client)
    training = Grpo(pivots, LocalEngine(loaded, fmt), scorer, out, config.grpo, reference=reference)
    begun = time.perf_counter()
    training.run()
    spent = time.perf_counter() - begun
    return spent / config.grpo.steps, scorer.seconds / spent


def through_openrlhf(
    config: RunConfig, out: Path, policy: Path, pivots: list[Pivot], server: str
) -> tuple[float, float]:
    """Train with OpenRLHF; the same of its steps after the first, which holds the engine's warm-up."""
    log = out / "weights.log"
    os.environ[cpu.WEIGHTS_LOG] = str(log.resolve())
    plan = make_plan(config, out, [pivot.id for pivot in pivots], kind="pivot", server=server, policy=policy)
    begun = time.perf_counter()
    run(plan)
    print(f"openrlhf: {time.perf_counter() - begun:.0f} s with start and end")
    if log.exists():
        compare_weights(log, out / "policy" / "model.safetensors")
    rows = read_log(out / "log.jsonl")
    for row in rows:
        print(f"step {row['step']}: " + ", ".join(f"{name} {row[name]:.2f}" for name in PHASES if name in row))
    spent = sum(row["step_s"] for row in rows[1:])
    return spent / len(rows[1:]), sum(row["env_seconds_max"] for row in rows[1:]) / spent


def compare_weights(log: Path, file: Path) -> None:
    """Say how many of the weights that each engine received last are, byte for byte, those that were saved."""
    saved = {name: cpu.weight_digest(weight) for name, weight in load_file(file).items()}
    engines: dict[str, dict[str, str]] = {}
    for line in log.read_text().splitlines():
        process, name, _, digest = line.split(" ")
        engines.setdefault(process, {})[name] = digest
    for number, received in enumerate(engines.values()):
        same = sum(received.get(name) == digest for name, digest in saved.items())
        print(f"engine {number}: {same} of {len(saved)} saved weights received as they are ({len(received)} received)")


def main() -> None:
    """Run both and print their logs side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--domain", help="a domain by name, with --pivots and --policy")
    parser.add_argument("--pivots", type=Path)
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--only", choices=["embedded", "openrlhf"])
    options = parser.parse_args()
    real = options.domain is not None
    steps = options.steps or (3 if real else 5)
    config = load_config(None, [*(REAL if real else SETTINGS), f"grpo.steps={steps}", *options.set])
    policy = options.policy or save_tiny_policy(options.out / "policy")
    pivots = list(read_records(options.pivots, Pivot)) if real else make_pivots(16)
    found = {}
    with BackgroundServer(options.domain or EvenDomain()) as server, Client(server.url, retries=0) as client:
        client.add_pivots(pivots)
        if options.only != "openrlhf":
            found["embedded"] = embedded(config, options.out / "embedded", policy, pivots, client)
        if options.only != "embedded":
            found["openrlhf"] = through_openrlhf(config, options.out / "openrlhf", policy, pivots, server.url)
    print(f"{'step':>4} {'engine':>9} " + " ".join(f"{name:>14}" for name in SHOWN))
    logs = {name: read_log(options.out / name / "log.jsonl") for name in found}
    for step in range(steps):
        for name, rows in logs.items():
            values = " ".join(f"{rows[step].get(key, float('nan')):14.4f}" for key in SHOWN)
            print(f"{step + 1:>4} {name:>9} {values}")
    for name, (seconds, share) in found.items():
        print(f"{name}: {seconds:.2f} s a step, {share:.1%} of it in the environment")


if __name__ == "__main__":
    main()
