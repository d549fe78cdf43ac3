"""Losses and advantages agree with OpenRLHF's own functions to 1e-6.

Not installed by `make test`. To run: `pip install --no-deps openrlhf==0.11.2` (nothing it depends on is needed), then
`pytest tests/trainer/learn/test_openrlhf_agreement.py`. Only the three modules compared are imported; their packages'
`__init__` and the distributed libraries they name at the top are stood in for, as they need CUDA or a Ray cluster.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from pivotgym.trainer.learn.losses import action_ids, approx_kl, group_advantages, policy_loss, reduce_loss

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openrlhf") is None, reason="pip install --no-deps openrlhf==0.11.2 to compare with it"
)
LENGTHS = [3, 1, 7, 5]


@pytest.fixture(scope="module")
def openrlhf():
    root = Path(importlib.util.find_spec("openrlhf").origin).parent
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ray", "deepspeed", "flash_attn"):
            if importlib.util.find_spec(name) is None:
                patch.setitem(sys.modules, name, ModuleType(name))
        launcher = ModuleType("openrlhf.trainer.ray.launcher")
        launcher.RayActorGroup = object
        patch.setitem(sys.modules, launcher.__name__, launcher)
        for name in ("models", "trainer", "trainer.ppo_utils", "trainer.ray", "utils"):
            package = ModuleType(f"openrlhf.{name}")
            package.__path__ = [str(root / name.replace(".", "/"))]
            patch.setitem(sys.modules, package.__name__, package)
        yield SimpleNamespace(
            PolicyLoss=importlib.import_module("openrlhf.models.loss").PolicyLoss,
            compute_approx_kl=importlib.import_module("openrlhf.models.utils").compute_approx_kl,
            Maker=importlib.import_module("openrlhf.trainer.ppo_utils.experience_maker").RemoteExperienceMaker,
        )


def padded(flat):
    rows = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=flat.dtype)
    for row, part in zip(rows, flat.split(LENGTHS), strict=True):
        row[: len(part)] = part
    return rows


def random_batch(seed):
    generator = torch.Generator().manual_seed(seed)
    count = sum(LENGTHS)
    new, old, sampler = (torch.randn(count, generator=generator, dtype=torch.float64) * 0.3 - 2 for _ in range(3))
    advantages = torch.randn(len(LENGTHS), generator=generator, dtype=torch.float64)
    return new, old, sampler, advantages[action_ids(LENGTHS)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("reduction", ["token", "action"])
@pytest.mark.parametrize("correction", [False, True])
def test_policy_loss(openrlhf, seed, reduction, correction):
    new, old, sampler, advantages = random_batch(seed)
    mask = padded(torch.ones(sum(LENGTHS)))
    options = {"is_correction_level": "token", "is_correction_mode": "clip", "is_correction_threshold": (0.0, 1.2)}
    theirs = openrlhf.PolicyLoss(0.2, 0.28, token_level_loss=reduction == "token", **(options if correction else {}))
    expected, clipped, *_ = theirs(padded(new), padded(old), padded(advantages), mask, padded(sampler))
    part = policy_loss(
        new,
        old,
        advantages,
        action_ids(LENGTHS),
        clip_low=0.2,
        clip_high=0.28,
        sampler_logprobs=sampler,
        tis_cap=1.2 if correction else None,
    )
    total = sum(LENGTHS) if reduction == "token" else len(LENGTHS)
    loss = reduce_loss(part.loss, action_ids(LENGTHS), reduction) / total
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert part.clipped.double().mean().item() == pytest.approx(clipped.item(), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_ratio_of_a_whole_action(openrlhf, seed):
    new, old, _, advantages = random_batch(seed)
    theirs = openrlhf.PolicyLoss(0.2, 0.28, policy_loss_type="gspo")
    expected, *_ = theirs(padded(new), padded(old), padded(advantages), padded(torch.ones(sum(LENGTHS))))
    actions = action_ids(LENGTHS)
    part = policy_loss(new, old, advantages, actions, clip_low=0.2, clip_high=0.28, ratio="action_mean")
    assert (reduce_loss(part.loss, actions, "action") / len(LENGTHS)).item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_kl(openrlhf, kind):
    new, old, *_ = random_batch(0)
    torch.testing.assert_close(
        approx_kl(new, old, kind).float(), openrlhf.compute_approx_kl(new, old, kl_estimator=kind), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("estimator", "ours"),
    [
        ("group_norm", {"scale": "sample_std", "eps": 1e-9}),
        ("dr_grpo", {"scale": "none"}),
        ("rloo", {"baseline": "leave_one_out", "scale": "none"}),
    ],
)
def test_advantages(openrlhf, estimator, ours):
    rewards = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    experience = SimpleNamespace(
        rewards=rewards.flatten(),
        index=list(range(12)),
        info={},
        kl=torch.zeros(12, 5),
        action_mask=torch.ones(12, 5),
        response_length=torch.full((12,), 5),
        total_length=torch.full((12,), 9),
    )
    algo = SimpleNamespace(advantage=SimpleNamespace(estimator=estimator, gamma=1.0))
    reward = SimpleNamespace(clip_range=None, overlong_buffer_len=None, stop_properly_penalty_coef=None)
    args = SimpleNamespace(algo=algo, reward=reward, rollout=SimpleNamespace(n_samples_per_prompt=4))
    maker = openrlhf.Maker.__new__(openrlhf.Maker)
    maker.strategy, maker.args, maker.advantage_estimator = SimpleNamespace(args=args), args, estimator
    maker.kl_ctl = SimpleNamespace(value=0.0)
    maker.compute_advantages_and_returns([experience])
    expected = experience.advantages[:, 0].reshape(3, 4).tolist()
    for theirs, group in zip(expected, rewards.tolist(), strict=True):
        assert group_advantages(group, **ours) == pytest.approx(theirs, abs=1e-6)
