"""A sample that failed is in nobody's loss, baseline or token count: measured through OpenRLHF's own functions.

From what the agent returns to the scalar loss; only the forward passes of the model are given.
"""

import asyncio
from types import SimpleNamespace

import pytest
import torch

from pivotgym.trainer.openrlhf import cpu
from pivotgym.trainer.openrlhf.groups import Groups
from pivotgym.trainer.openrlhf.rollouts import Played, Rollouts
from pivotgym.trainer.openrlhf.settings import AgentSettings
from pivotgym.trainer.openrlhf.trainer_stats import rollout_stats

pytest.importorskip("vllm", reason="make openrlhf-cpu installs the whole set")
KNOWN = AgentSettings(server="http://127.0.0.1:1", format="smollm", max_new_tokens=8, max_len=64)
G = 4


@pytest.fixture(scope="module", autouse=True)
def without_a_gpu():
    if not torch.cuda.is_available():
        cpu.install()


def arguments(**advantage):
    algo = SimpleNamespace(
        advantage=SimpleNamespace(estimator="dr_grpo", gamma=1.0, is_correction_level="token", **advantage),
        kl=SimpleNamespace(use_loss=True, init_coef=0.1, estimator="k3"),
    )
    return SimpleNamespace(
        algo=algo,
        rollout=SimpleNamespace(n_samples_per_prompt=G, micro_batch_size=G),
        reward=SimpleNamespace(clip_range=(-1e6, 1e6), overlong_buffer_len=None, stop_properly_penalty_coef=None),
    )


def answers(rewards, lengths):
    """What the agent returns for one group; `None` for a sample whose verdict failed."""
    rollouts, groups, shared = Rollouts(KNOWN), Groups(), object()

    async def finish(reward, length):
        output = {
            "prompt": "run-0:0",
            "label": "",
            "images": None,
            "mm_train_inputs": None,
            "observation_tokens": list(range(5 + length)),
            "action_ranges": [(5, 5 + length)],
            "rollout_log_probs": [0.0] * 5 + [-1.0] * length,
            "truncated": False,
        }
        async with groups.join(shared) as seat:
            return await rollouts.finish(seat, Played(output, reward, failed=reward is None))

    async def group():
        return await asyncio.gather(*(finish(*pair) for pair in zip(rewards, lengths, strict=True)))

    return asyncio.run(group())


def experience(rewards, lengths):
    """OpenRLHF's batch of one group, with advantages."""
    from openrlhf.trainer.ppo_utils.experience import Experience
    from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker
    from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator

    args = arguments()
    strategy = SimpleNamespace(args=args)
    generator = SamplesGenerator(strategy, None, None, None, [])
    samples = [generator._process_response_into_experience(a, max_len=64) for a in answers(rewards, lengths)]
    maker = RemoteExperienceMaker.__new__(RemoteExperienceMaker)
    maker.strategy, maker.args, maker.advantage_estimator = strategy, args, "dr_grpo"
    maker.kl_ctl = SimpleNamespace(value=0.1)
    for place, sample in enumerate(samples):
        sample.index = [place]
    batch = Experience.concat_experiences(samples, 0)
    batch.kl = torch.zeros_like(batch.action_mask, dtype=torch.float)
    return samples, maker.compute_advantages_and_returns([batch])[0]


def loss_of(rewards, lengths):
    """The loss of one group, and its gradient in each token's log-probability."""
    from openrlhf.models import PolicyLoss, aggregate_loss
    from openrlhf.models.utils import compute_approx_kl
    from openrlhf.utils.loss_utils import iter_grad_accum_global_norm

    _, batch = experience(rewards, lengths)
    width = batch.action_mask.shape[1]
    generator = torch.Generator().manual_seed(0)
    rows = torch.stack([torch.randn(64, generator=generator) * 0.1 - 1 for _ in rewards])[:, :width]
    logprobs = rows.clone().requires_grad_()
    [(_, norm)] = iter_grad_accum_global_norm([batch], SimpleNamespace(), 1, lambda item: item.action_mask)
    policy = PolicyLoss(
        0.2,
        0.28,
        is_correction_level="token",
        is_correction_mode="clip",
        is_correction_threshold=[0.0, 5.0],
    )
    lost, *_ = policy(
        logprobs, rows, batch.advantages, batch.action_mask, rollout_log_probs=batch.rollout_log_probs, **norm
    )
    kl = aggregate_loss(compute_approx_kl(logprobs, rows - 0.1, kl_estimator="k3"), batch.action_mask, **norm)
    loss = lost + 0.1 * kl
    loss.backward()
    return loss.detach(), logprobs.grad


LENGTHS = [3, 6, 2, 4]


def test_masked_sample_has_no_gradient():
    _, gradient = loss_of([1.0, None, 0.0, 1.0], LENGTHS)

    assert torch.all(gradient[1] == 0)
    assert all(torch.any(gradient[row] != 0) for row in (0, 2, 3))


def test_nothing_about_a_masked_sample_moves_the_loss():
    loss, gradient = loss_of([1.0, None, 0.0, 1.0], LENGTHS)
    other, moved = loss_of([1.0, None, 0.0, 1.0], [3, 1, 2, 4])

    torch.testing.assert_close(loss, other)
    width = min(gradient.shape[1], moved.shape[1])
    torch.testing.assert_close(gradient[:, :width], moved[:, :width])


def test_the_others_get_what_they_would_get_without_it():
    _, batch = experience([1.0, None, 0.0, 1.0], LENGTHS)

    expected = {0: 0.57735, 2: -1.1547, 3: 0.57735}
    for row, advantage in expected.items():
        tokens = batch.advantages[row][batch.action_mask[row] > 0]
        assert tokens.tolist() == pytest.approx([advantage] * len(tokens), abs=1e-4)


@pytest.mark.parametrize("reward", [0.1, 1 / 3, 0.7])
def test_equal_rewards_train_nothing(reward):
    """OpenRLHF's own `group_norm` divides the rounding error of their mean by 1e-9."""
    _, batch = experience([reward] * G, LENGTHS)

    assert torch.all(batch.advantages == 0)


def test_what_a_step_sampled_is_told_in_the_embedded_engines_words():
    samples = [*experience([1.0, None, 0.0, 1.0], LENGTHS)[0], *experience([1.0] * 4, LENGTHS)[0]]

    told = rollout_stats(samples, G)

    assert told["reward_mean"] == pytest.approx(6 / 7)
    assert (told["masked"], told["failed_verdicts"], told["actions"]) == (1, 1, 7)
    assert (told["groups"], told["groups_trained"], told["zero_variance_share"]) == (2, 1, 0.5)
    assert told["tokens"] == 3 + 2 + 4 + sum(LENGTHS)
