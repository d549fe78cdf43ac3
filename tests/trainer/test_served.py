"""The embedded engine below a policy server, with a real tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_policies import make_text_policy

from pivotgym.core.errors import InputError, NotFound, PivotGymError, PolicyFailed, TooLarge
from pivotgym.core.formats import get_format
from pivotgym.core.policy_server import JobResult, SampleJob
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer, save_checkpoint
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.served import ServedPolicy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny policy that never ends an action by itself, so that texts are long enough to be stopped."""
    policy = make_text_policy()
    policy.model.generation_config.eos_token_id = None
    policy.model.config.eos_token_id = None
    return policy.save(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def served(folder: Path) -> ServedPolicy:
    return ServedPolicy(folder, get_format("smollm"), dtype="float32")


def ask_all(served: ServedPolicy, *jobs: SampleJob) -> list[JobResult | PivotGymError]:
    found: dict[int, JobResult | PivotGymError] = {}
    served.sample(jobs, found.__setitem__)
    return [found[index] for index in range(len(jobs))]


def ask(served: ServedPolicy, prompt: str | tuple[int, ...] = "Say", **fields: object) -> JobResult:
    (result,) = ask_all(served, SampleJob(prompt, **{"max_tokens": 16, **fields}))
    assert isinstance(result, JobResult), result
    return result


def test_seed_gives_the_same_samples_again(served: ServedPolicy) -> None:
    first, again, other = (ask(served, seed=seed, count=3).samples for seed in (5, 5, 6))

    assert first == again != other
    assert len({sample.text for sample in first}) == 3


def test_without_a_seed_samples_differ(served: ServedPolicy) -> None:
    assert ask(served).samples != ask(served).samples


def test_greedy_samples_are_the_same(served: ServedPolicy) -> None:
    one, other = ask(served, temperature=0.0, count=2).samples

    assert one.text == other.text


def test_logprobs_are_the_models(served: ServedPolicy) -> None:
    result = ask(served, count=3, temperature=0.7, seed=1)
    scored = served._policy.score(result.prompt_ids, [sample.token_ids for sample in result.samples], 0.7)

    for sample, expected in zip(result.samples, scored, strict=True):
        assert sample.logprobs == pytest.approx(expected, abs=1e-4)


def test_prompt_may_be_token_ids(served: ServedPolicy) -> None:
    ids = ask(served, "Say").prompt_ids

    assert ask(served, ids, seed=1).samples == ask(served, "Say", seed=1).samples


@settings(max_examples=8)
@given(seed=st.integers(0, 3), start=st.integers(0, 10), length=st.integers(1, 3))
def test_text_ends_before_the_stop_text_and_tokens_just_with_it(
    served: ServedPolicy, seed: int, start: int, length: int
) -> None:
    (free,) = ask(served, seed=seed).samples
    stop = free.text[start : start + length]
    (stopped,) = ask(served, seed=seed, stop=(stop,), token_texts=True).samples

    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish_reason == "stop"
    assert stopped.token_ids == free.token_ids[: len(stopped.token_ids)]
    assert len(stopped.logprobs) == len(stopped.token_ids) == len(stopped.token_texts)
    said = served._policy.tokenizer.decode(list(stopped.token_ids))
    before = served._policy.tokenizer.decode(list(stopped.token_ids[:-1]))
    assert stop in said
    assert stop not in before


def test_stop_token_ends_a_sample_and_its_text(served: ServedPolicy) -> None:
    (free,) = ask(served, seed=1).samples
    (stopped,) = ask(served, seed=1, stop_token_ids=(free.token_ids[5],)).samples
    first = free.token_ids.index(free.token_ids[5])

    assert stopped.token_ids == free.token_ids[: first + 1]
    assert stopped.finish_reason == "stop"
    assert free.text.startswith(stopped.text)


def test_stop_text_that_is_a_special_token_ends_a_sample(folder: Path) -> None:
    policy = Policy.load(folder, dtype="float32")
    (free,) = ask(ServedPolicy(folder, get_format("smollm"), dtype="float32"), seed=1).samples
    said = free.token_ids[4]
    letter = str(policy.tokenizer.convert_ids_to_tokens([said])[0])
    policy.tokenizer.add_special_tokens({"eos_token": letter})
    served = ServedPolicy(policy.save(folder.parent / "special"), get_format("smollm"), dtype="float32")

    (stopped,) = ask(served, seed=1, stop=(letter,)).samples
    assert stopped.token_ids == free.token_ids[: free.token_ids.index(said) + 1]
    assert stopped.finish_reason == "stop"


def test_limit_cuts_a_sample(served: ServedPolicy) -> None:
    (sample,) = ask(served, max_tokens=7).samples

    assert (len(sample.token_ids), sample.finish_reason) == (7, "length")


def test_one_bad_prompt_fails_alone(served: ServedPolicy) -> None:
    long, fine, foreign, empty = ask_all(
        served, SampleJob("x" * 600), SampleJob("Say"), SampleJob((0, 100_000)), SampleJob("")
    )

    assert isinstance(long, TooLarge)
    assert "the model's context length is 512 tokens, got 600" in long.message
    assert isinstance(fine, JobResult)
    assert isinstance(foreign, InputError)
    assert "expected token ids from 0 to 255, got 0 to 100000" in foreign.message
    assert isinstance(empty, InputError)
    assert "prompt: expected at least one token, got none" in empty.message


def test_sample_ends_with_the_context(served: ServedPolicy) -> None:
    (sample,) = ask(served, "x" * 500, max_tokens=100).samples

    assert (len(sample.token_ids), sample.finish_reason) == (12, "length")


def checkpoint(run: Path, step: int, policy: Policy) -> Path:
    return save_checkpoint(run / "checkpoints", policy, PolicyOptimizer(policy, OptimConfig()), step=step, keep=5)


def changed(folder: Path, factor: float) -> Policy:
    policy = Policy.load(folder, dtype="float32")
    with torch.no_grad():
        policy.model.model.embed_tokens.weight.mul_(factor)
    return policy


def test_newest_checkpoint_is_taken_and_named(folder: Path, tmp_path: Path) -> None:
    served = ServedPolicy(folder, get_format("smollm"), run=tmp_path, dtype="float32")
    assert served.version.startswith("start-")
    assert not served.refresh()

    before = ask(served, seed=1)
    checkpoint(tmp_path, 1, changed(folder, 3.0))
    assert served.refresh()
    assert not served.refresh()

    after = ask(served, seed=1)
    assert after.version == served.version != before.version
    assert after.version.startswith("step-000001-")
    assert after.samples != before.samples


def test_server_begins_with_the_newest_checkpoint(folder: Path, tmp_path: Path) -> None:
    checkpoint(tmp_path, 1, changed(folder, 2.0))
    checkpoint(tmp_path, 12, changed(folder, 3.0))

    assert ServedPolicy(folder, get_format("smollm"), run=tmp_path).version.startswith("step-000012-")


def test_half_a_checkpoint_is_left_alone(folder: Path, tmp_path: Path) -> None:
    served = ServedPolicy(folder, get_format("smollm"), run=tmp_path, dtype="float32")
    made = checkpoint(tmp_path, 1, changed(folder, 2.0))
    (made / "trainer.pt").unlink()

    assert not served.refresh()


def test_checkpoint_that_cannot_be_read_leaves_the_old_weights(folder: Path, tmp_path: Path) -> None:
    served = ServedPolicy(folder, get_format("smollm"), run=tmp_path, dtype="float32")
    made = checkpoint(tmp_path, 1, changed(folder, 2.0))
    shutil.rmtree(made / "policy")
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps({**manifest, "sizes": {}}))

    with pytest.raises(PolicyFailed, match="could not be read: policy path"):
        served.refresh()
    assert ask(served).version.startswith("start-")


def test_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not a Hugging Face model folder"):
        ServedPolicy(tmp_path, get_format("smollm"))
