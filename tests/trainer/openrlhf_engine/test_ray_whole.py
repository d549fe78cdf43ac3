"""The batch engine with all of it: Ray Data, vLLM, verdicts over HTTP."""

import importlib.util

import pytest
import torch
from even_domain import EvenDomain, make_pivots
from tiny import save_tiny_policy

from pivotgym.cli.resources import sampling_engine
from pivotgym.core import Pivot
from pivotgym.core.errors import PolicyFailed
from pivotgym.core.jsonl import read_records
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.config import load_config
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.samples import SampledState
from pivotgym.trainer.scoring import ClientScorer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="make openrlhf-cpu installs the whole set"),
]
PIVOTS = make_pivots(12)
LONG = Pivot(**{**PIVOTS[0].model_dump(), "id": "long:0", "messages": [{"role": "user", "content": "q" * 600}]})
SETTINGS = ["dtype=float32", "engine.kind=ray", "engine.ray.shard=4", "engine.ray.enforce_eager=true", "profile.k=4"]


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return save_tiny_policy(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def profiled(tmp_path_factory, policy):
    """A job, and the same job again, whose profile was lost and whose samples were not."""
    out = tmp_path_factory.mktemp("run")
    config = load_config(None, [*SETTINGS, f"policy={policy}", "profile.max_new_tokens=6", "profile.temperature=0.7"])
    reports = []
    with BackgroundServer(EvenDomain()) as server, Client(server.url) as client:
        client.add_pivots([*PIVOTS, LONG])
        for name, candidates in (("first", [*PIVOTS, LONG]), ("second", PIVOTS)):
            engine = sampling_engine(config, samples=out / "samples.jsonl")
            reports.append(profile(candidates, engine, ClientScorer(client), out / f"{name}.jsonl", config.profile))
    return out, reports


def test_every_candidate_that_fits_is_profiled(profiled):
    _, (report, _) = profiled

    assert (report.profiled, report.too_long, report.failed_samples) == (len(PIVOTS), 1, 0)


def test_what_was_kept_makes_the_same_profile_again(profiled):
    out, (first, second) = profiled
    made = [{pivot.id: pivot for pivot in read_records(out / name, Pivot)} for name in ("first.jsonl", "second.jsonl")]

    assert made[0] == made[1]
    assert first.sampled_tokens == second.sampled_tokens > 0


def test_samples_of_a_state_differ(profiled):
    out, _ = profiled

    states = list(read_records(out / "samples.jsonl", SampledState))
    assert len(states) == len(PIVOTS)
    assert all(len({draw.token_ids for draw in state.draws}) > 1 for state in states)


def test_log_probabilities_are_those_of_the_policy_at_the_temperature(profiled, policy):
    out, _ = profiled
    engine = sampling_engine(load_config(None, ["dtype=float32", f"policy={policy}"]))
    by_id = {pivot.id: pivot for pivot in PIVOTS}
    differences = []
    for state in read_records(out / "samples.jsonl", SampledState):
        prompt = engine.state_ids(by_id[state.key].messages, [])
        for draw in state.draws:
            with torch.no_grad():
                logits = engine.policy.model(torch.tensor([[*prompt, *draw.token_ids]])).logits[0, len(prompt) - 1 : -1]
            ours = (logits / 0.7).log_softmax(-1).gather(1, torch.tensor(draw.token_ids)[:, None])[:, 0]
            differences.append((ours - torch.tensor(draw.logprobs)).abs())

    assert torch.cat(differences).max() < 0.01


def test_an_engine_that_cannot_start_says_why(tmp_path, policy):
    config = load_config(None, [*SETTINGS, f"policy={policy}", "engine.ray.max_model_len=100000"])

    with pytest.raises(PolicyFailed, match=r"engine\.kind 'ray'"):
        profile(PIVOTS[:1], sampling_engine(config), None, tmp_path / "p.jsonl", config.profile)
