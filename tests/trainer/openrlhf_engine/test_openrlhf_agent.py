"""The agent file against the real OpenRLHF classes and a real environment server; only vLLM is stood in for."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from even_domain import EvenDomain, make_pivots
from tiny import save_tiny_policy
from transformers import AutoTokenizer

from pivotgym.core import Verdict
from pivotgym.core.errors import ConfigError, InputError, TooLarge, VerifierFailed
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.openrlhf.rollouts import checked, draw_seed
from pivotgym.trainer.openrlhf.rows import Row
from pivotgym.trainer.openrlhf.settings import AGENT_ENV, AgentSettings

pytest.importorskip("openrlhf.utils.agent", reason="make openrlhf-cpu installs openrlhf")
PIVOTS = make_pivots(4)


class Params:
    """What is used of vLLM's sampling parameters."""

    def __init__(self, logprobs=1):
        self.max_tokens, self.min_tokens, self.seed, self.stop_token_ids, self.logprobs = 12, 1, None, [], logprobs


class Engine:
    """Answers with given texts in turn, and keeps what it was asked."""

    def __init__(self, tokenizer, texts):
        self.tokenizer, self.texts, self.asked = tokenizer, texts, []

    async def generate(self, ids, params, multi_modal_data=None):
        text = self.texts[len(self.asked) % len(self.texts)]
        self.asked.append((list(ids), params))
        await asyncio.sleep(0)
        new = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        reason = "stop" if text.endswith("<|im_end|>") else "length"
        chances = [{token: SimpleNamespace(logprob=-0.5)} for token in new]
        return SimpleNamespace(
            outputs=[SimpleNamespace(token_ids=new, finish_reason=reason, text=text, logprobs=chances)]
        )


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(save_tiny_policy(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def server():
    with BackgroundServer(EvenDomain()) as running, Client(running.url) as client:
        client.add_pivots(PIVOTS)
        yield running.url


@pytest.fixture
def settings(server):
    return AgentSettings(server=server, format="smollm", max_new_tokens=12, max_len=200, request_retries=0)


def play(settings, tokenizer, texts, *, place=0, pivot=PIVOTS[0].id, logprobs=1):
    """One group, drawn the way OpenRLHF's sampling process draws it."""
    from pivotgym.trainer.openrlhf.agent import PivotExecutor

    executor, engine, shared = PivotExecutor(settings), Engine(tokenizer, texts), Params(logprobs)
    label = Row(kind="pivot", id=pivot, place=place).model_dump_json()

    async def draw():
        calls = (executor.execute(pivot, label, shared, 200, tokenizer, engine) for _ in texts)
        return await asyncio.gather(*calls)

    return asyncio.run(draw()), engine, shared


def test_rewards_come_back_as_advantages(settings, tokenizer):
    outputs, _, _ = play(settings, tokenizer, ["b<|im_end|>", "a<|im_end|>", "d<|im_end|>", "c<|im_end|>"])

    assert [output["extra_logs"]["env_reward"] for output in outputs] == [1, 0, 1, 0]
    assert [output["reward"] for output in outputs] == pytest.approx([0.866, -0.866, 0.866, -0.866], abs=1e-3)
    assert {output["scores"] for output in outputs} == {0.5}


def test_sampled_ids_are_trained_as_they_were(settings, tokenizer):
    outputs, engine, _ = play(settings, tokenizer, ["b<|im_end|>", "zz"])

    for output, (state, _) in zip(outputs, engine.asked, strict=True):
        [(start, end)] = output["action_ranges"]
        assert output["observation_tokens"][:start] == state
        assert len(output["rollout_log_probs"]) == end == len(output["observation_tokens"])
    assert tokenizer.decode(engine.asked[0][0]) == "<|im_start|>user\nquestion 0<|im_end|>\n<|im_start|>assistant\n"


def test_every_sample_has_draws_of_its_own_and_the_shared_parameters_stay(settings, tokenizer):
    _, engine, shared = play(settings, tokenizer, ["b<|im_end|>"] * 3)

    assert [params.seed for _, params in engine.asked] == [draw_seed(0, 0, number) for number in range(3)]
    assert (shared.seed, shared.max_tokens, shared.min_tokens, shared.stop_token_ids) == (None, 12, 1, [])


def test_an_action_may_end_at_once_as_the_trainers_log_probabilities_allow(settings, tokenizer):
    _, engine, _ = play(settings, tokenizer, ["<|im_end|>"])

    assert engine.asked[0][1].min_tokens == 0


def test_draws_go_by_the_place_in_the_run_and_not_by_the_time(settings, tokenizer):
    seeds = [play(settings, tokenizer, ["b<|im_end|>"], place=place)[1].asked[0][1].seed for place in (0, 1, 0)]

    assert seeds[0] == seeds[2] != seeds[1]


def test_the_format_s_stop_ends_an_action(settings, tokenizer):
    _, engine, _ = play(settings, tokenizer, ["b<|im_end|>"])

    assert engine.asked[0][1].stop_token_ids == [tokenizer.eos_token_id]


def test_a_failing_verifier_masks_the_sample(settings, tokenizer):
    outputs, _, _ = play(settings, tokenizer, ["b<|im_end|>", "too long for it<|im_end|>", "a<|im_end|>"])

    assert outputs[1]["action_ranges"] == []
    assert outputs[1]["reward"] == 0.0
    assert outputs[1]["extra_logs"]["env_failed"] == 1.0
    assert [outputs[0]["reward"], outputs[2]["reward"]] == pytest.approx([0.7071, -0.7071], abs=1e-3)


def test_all_logs_are_there_whatever_happened(settings, tokenizer):
    outputs, _, _ = play(settings, tokenizer, ["b<|im_end|>", "too long for it<|im_end|>", "cut"])

    assert len({tuple(sorted(output["extra_logs"])) for output in outputs}) == 1
    assert all(isinstance(output["reward"], float) for output in outputs)
    json.dumps([output["extra_logs"] for output in outputs])


def test_cut_actions_are_masked_where_the_settings_say_so(settings, tokenizer):
    known = settings.model_copy(update={"mask_truncated": True})

    outputs, _, _ = play(known, tokenizer, ["b<|im_end|>", "cut"])

    assert [len(output["action_ranges"]) for output in outputs] == [1, 0]
    assert outputs[1]["extra_logs"]["env_failed"] == 0.0


def test_an_environment_that_is_gone_masks_every_sample(tokenizer):
    gone = AgentSettings(
        server="http://127.0.0.1:9", format="smollm", max_new_tokens=4, max_len=99, request_retries=1, least_samples=9
    )

    outputs, engine, _ = play(gone, tokenizer, ["b<|im_end|>"] * 3)

    assert engine.asked == []
    assert all(output["action_ranges"] == [] and output["reward"] == 0.0 for output in outputs)
    assert all(len(output["rollout_log_probs"]) == len(output["observation_tokens"]) for output in outputs)


def test_too_many_failures_stop_the_run(settings, tokenizer):
    known = settings.model_copy(update={"max_failed_share": 0.3, "least_samples": 2})

    with pytest.raises(VerifierFailed, match=r"more than the allowed share of 0\.3"):
        play(known, tokenizer, ["b<|im_end|>", "too long for it<|im_end|>", "too long, again<|im_end|>"])


def test_a_state_is_never_clipped(settings, tokenizer):
    known = settings.model_copy(update={"max_len": 40})

    with pytest.raises(TooLarge, match=r"state of pivot 'run-0:0': expected at most 28 tokens .*, got 5\d"):
        play(known, tokenizer, ["b<|im_end|>"])


def test_a_pivot_that_the_server_does_not_know_stops_the_run(settings, tokenizer):
    with pytest.raises(InputError, match="nobody:0"):
        play(settings, tokenizer, ["b<|im_end|>"], pivot="nobody:0")


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), -0.1, 1.5, None, "1"])
def test_a_reward_that_is_none_is_a_failure(reward):
    with pytest.raises(VerifierFailed, match="expected a finite number in"):
        checked(reward)


def test_equal_actions_of_a_group_are_asked_once(settings, tokenizer, monkeypatch):
    from pivotgym.servers.client import AsyncClient

    asked = []

    async def verify(self, pivot, action, *, rule=None, timeout_s=None):
        asked.append(action.content)
        return Verdict(reward=1.0, outcome="equivalent", method="x", executed=False)

    monkeypatch.setattr(AsyncClient, "verify", verify)
    play(settings, tokenizer, ["b<|im_end|>", "b<|im_end|>", "d<|im_end|>"])

    assert sorted(asked) == ["b", "d"]


def test_the_file_is_what_openrlhf_loads(settings, monkeypatch):
    from openrlhf.utils.agent import AgentExecutorBase

    from pivotgym.trainer.openrlhf import agent

    for horizon, name in (("pivot", "PivotExecutor"), ("episode", "EpisodeExecutor")):
        monkeypatch.setenv(AGENT_ENV, settings.model_copy(update={"horizon": horizon}).model_dump_json())
        scope = {"__name__": "agent_module"}
        exec(compile(Path(agent.__file__).read_text(), agent.__file__, "exec"), scope)
        assert issubclass(scope["AgentExecutor"], AgentExecutorBase)
        assert type(scope["AgentExecutor"]()).__name__ == name


def test_without_settings_it_says_who_gives_them(monkeypatch):
    from pivotgym.trainer.openrlhf.settings import read_settings

    monkeypatch.delenv(AGENT_ENV, raising=False)
    with pytest.raises(ConfigError, match="expected the agent's settings, found none"):
        read_settings()
