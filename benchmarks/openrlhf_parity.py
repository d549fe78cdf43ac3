"""The two engines from the same seed data: rewards, losses, KL and gradient norms of the same steps.

    PYTHONPATH=tests/trainer:tests/trainer/openrlhf_engine python benchmarks/openrlhf_parity.py OUT [--steps 5]

In an environment made by `make openrlhf-cpu`. A random policy of two layers learns to begin its actions with an even
character; both engines see the same pivots in the same steps. Draws differ (two samplers, two generators), so rewards
agree as samples do. The share of the environment is, with OpenRLHF, that of a step in which its slowest sample waited.
"""

import argparse
import time
from pathlib import Path

from even_domain import EvenDomain, make_pivots
from tiny import save_tiny_policy

from pivotgym.core.formats import get_format
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.config import RunConfig, load_config
from pivotgym.trainer.engine import LocalEngine
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
SHOWN = ("reward_mean", "loss", "kl", "sampler_kl", "grad_norm", "tokens", "groups_trained", "masked")


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


def embedded(config: RunConfig, out: Path, policy: Path, client: Client) -> float:
    """Train with the embedded engine; the share of its time spent in the environment."""
    loaded, reference = (Policy.load(policy, dtype="bfloat16") for _ in range(2))
    scorer = TimedScorer(client)
    engine = LocalEngine(loaded, get_format(config.format))
    training = Grpo(make_pivots(16), engine, scorer, out, config.grpo, reference=reference)
    begun = time.perf_counter()
    training.run()
    return scorer.seconds / (time.perf_counter() - begun)


def through_openrlhf(config: RunConfig, out: Path, policy: Path, server: str) -> float:
    """Train with OpenRLHF; the share of the steps' time in which the slowest sample waited for the environment."""
    ids = [pivot.id for pivot in make_pivots(16)]
    run(make_plan(config, out, ids, kind="pivot", server=server, policy=policy))
    rows = read_log(out / "log.jsonl")[1:]  # the first step holds the engine's warm-up
    return sum(row["env_seconds_max"] for row in rows) / sum(row["step_s"] for row in rows)


def main() -> None:
    """Run both and print their logs side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    config = load_config(None, [*SETTINGS, f"grpo.steps={options.steps}", *options.set])
    policy = save_tiny_policy(options.out / "policy")
    with BackgroundServer(EvenDomain()) as server, Client(server.url, retries=0) as client:
        client.add_pivots(make_pivots(16))
        shares = {
            "embedded": embedded(config, options.out / "embedded", policy, client),
            "openrlhf": through_openrlhf(config, options.out / "openrlhf", policy, server.url),
        }
    print(f"{'step':>4} {'engine':>9} " + " ".join(f"{name:>14}" for name in SHOWN))
    logs = {name: read_log(options.out / name / "log.jsonl") for name in shares}
    for step in range(options.steps):
        for name, rows in logs.items():
            values = " ".join(f"{rows[step].get(key, float('nan')):14.4f}" for key in SHOWN)
            print(f"{step + 1:>4} {name:>9} {values}")
    for name, share in shares.items():
        print(f"{name}: {share:.1%} of a step's time in the environment")


if __name__ == "__main__":
    main()
