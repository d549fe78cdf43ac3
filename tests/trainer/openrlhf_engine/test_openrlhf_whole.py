"""The whole of it: Ray, DeepSpeed, vLLM, weights sent over, verdicts over HTTP, checkpoints, resuming.

That the process ends with 0 proves nothing (engines whose weights never arrived sample on): so what the engine received
is compared, tensor by tensor, with what was saved.
"""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from even_domain import EvenComparator, EvenDomain, make_pivots
from safetensors.torch import load_file
from tiny import save_tiny_policy
from toy_counter import Counter, CounterDomain

from pivotgym.core.errors import VerifierFailed
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.config import load_config
from pivotgym.trainer.openrlhf import cpu
from pivotgym.trainer.openrlhf.run import make_plan, run
from pivotgym.trainer.training import read_log

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="make openrlhf-cpu installs the whole set"),
]
PIVOTS = make_pivots(8)
BATCH, GROUP = 4, 4
SETTINGS = [
    f"grpo.pivots_per_step={BATCH}",
    f"grpo.group_size={GROUP}",
    "grpo.max_new_tokens=12",
    "grpo.lr=1e-4",
    "grpo.checkpoint_every=1",
    "max_prompt_tokens=240",
    f"openrlhf.micro_batch_size={GROUP}",
    "openrlhf.request_retries=1",
]


class Asked(EvenComparator):
    def __init__(self, domain):
        self.domain = domain

    def by_rule(self, pivot, action):
        if pivot.id in self.domain.broken:
            raise VerifierFailed("the judge is gone")
        self.domain.asked.append((pivot.id, action.content))
        return super().by_rule(pivot, action)


class Watched(EvenDomain):
    """Keeps every action that it was asked about, and breaks when it is told to."""

    def __init__(self):
        self.asked, self.broken = [], set()
        self.comparator = Asked(self)


def received(path):
    """What each engine received last: process -> name -> digest."""
    found = {}
    for line in path.read_text().splitlines():
        process, name, _, digest = line.split(" ")
        found.setdefault(process, {})[name] = digest
    return found


def saved(folder):
    return {name: cpu.weight_digest(weight) for name, weight in load_file(folder / "model.safetensors").items()}


def train(folder, policy, server, *overrides, log="weights.log"):
    config = load_config(None, [*SETTINGS, *overrides])
    out = Path(folder)
    plan = make_plan(config, out, [p.id for p in PIVOTS], kind="pivot", server=server, policy=policy, cuda=False)
    os.environ[cpu.WEIGHTS_LOG] = str(out / log)
    try:
        run(plan)
    finally:
        del os.environ[cpu.WEIGHTS_LOG]
    return out


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return save_tiny_policy(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def domain():
    return Watched()


@pytest.fixture(scope="module")
def server(domain):
    with BackgroundServer(domain) as running, Client(running.url) as client:
        client.add_pivots(PIVOTS)
        yield running.url


@pytest.fixture(scope="module")
def trained(tmp_path_factory, policy, server, domain):
    """Two steps; also the actions that the server was asked about."""
    out = train(tmp_path_factory.mktemp("run"), policy, server, "grpo.steps=2")
    return out, list(domain.asked)


def test_the_engine_received_what_was_saved(trained):
    [engine] = received(trained[0] / "weights.log").values()

    assert engine == saved(trained[0] / "policy")


def test_training_changed_the_weights(trained, policy):
    before, after = saved(policy), saved(trained[0] / "policy")

    # A norm's weights are 1 in bf16, where a step of 1e-4 is nothing.
    assert all(before[name] != after[name] for name in before if "norm" not in name)


def test_the_environment_saw_every_scored_action(trained):
    rows, asked = read_log(trained[0] / "log.jsonl"), trained[1]

    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["actions"] + row["masked"] == BATCH * GROUP for row in rows)
    assert {pivot for pivot, _ in asked} == {pivot.id for pivot in PIVOTS}


def test_a_run_that_lost_its_environment_stops_and_goes_on_as_if_nothing_had_been(
    trained, tmp_path, policy, server, domain
):
    whole, asked = trained
    rows = [json.loads(line)["input"] for line in (whole / "openrlhf" / "rows.jsonl").read_text().splitlines()]
    domain.broken = second = set(rows[BATCH : 2 * BATCH])
    settings = ["grpo.steps=2", "grpo.checkpoint_every=10", "openrlhf.least_samples=20", "openrlhf.request_retries=0"]
    with pytest.raises(VerifierFailed, match="more than the allowed share") as stopped:
        train(tmp_path, policy, server, *settings)
    assert "last checkpoint: global_step1" in stopped.value.hint

    domain.broken = set()
    before = len(domain.asked)
    train(tmp_path, policy, server, *settings, log="resumed.log")

    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [1, 2]
    [engine] = received(tmp_path / "resumed.log").values()
    assert engine == saved(tmp_path / "policy")
    drawn = {action for action in asked if action[0] in second}
    resumed = set(domain.asked[before:])
    # The same draws; a few differ, as sums in bf16 go by which samples an engine happens to compute together.
    assert len(drawn & resumed) > 0.5 * len(drawn | resumed)


def test_adapters_reach_the_engine_merged_and_are_saved_merged(tmp_path, policy, server):
    out = train(tmp_path, policy, server, "grpo.steps=2", "grpo.lr=1e-2", "lora.rank=4")

    before, after = saved(policy), saved(out / "policy")
    [engine] = received(out / "weights.log").values()
    assert engine == after
    assert {name for name in before if before[name] != after[name]} == {name for name in before if "_proj" in name}


class LastWord(Counter):
    """A task is done well when the policy's last message is of odd length."""

    said = ""

    def run(self, action):
        self.said = action.content or self.said
        return super().run(action)

    def fork(self):
        copy = super().fork()
        copy.said = self.said
        return copy

    def outcome(self, task):
        return float(len(self.said) % 2)


class LastWordDomain(CounterDomain):
    def __init__(self):
        super().__init__()
        self.world_type = LastWord


def test_whole_episodes_train_and_flat_groups_are_drawn_again(tmp_path, policy):
    episodes = ["grpo.horizon=episode", "openrlhf.max_len=400", "grpo.steps=2", "openrlhf.resample_flat_groups=true"]
    config = load_config(None, [*SETTINGS, *episodes])
    with BackgroundServer(LastWordDomain()) as running:
        plan = make_plan(config, tmp_path, ["to_seven"], kind="task", server=running.url, policy=policy, cuda=False)
        run(plan)

    rows = read_log(tmp_path / "log.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    assert [row["groups_trained"] for row in rows] == [BATCH, BATCH]
    assert [row["masked"] for row in rows] == [0, 0]
    # Two turns of the task at least, so two actions of one token or more in each episode.
    assert all(row["tokens"] >= 2 * BATCH * GROUP for row in rows)
    assert saved(tmp_path / "policy") != saved(policy)
