"""The learning rate and the optimiser's settings."""

import pytest
import torch

from pivotgym.core.errors import ConfigError
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer
from pivotgym.trainer.learn.optim import learning_rate


def rates(config, steps=5):
    return [learning_rate(config, step) for step in range(steps)]


def test_the_warm_up_rises_to_the_peak():
    assert rates(OptimConfig(lr=1.0, warmup_steps=4)) == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_the_linear_schedule_ends_at_zero():
    assert rates(OptimConfig(lr=1.0, schedule="linear", total_steps=4)) == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_the_cosine_schedule_is_half_way_in_the_middle():
    expected = pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
    assert rates(OptimConfig(lr=1.0, warmup_steps=1, schedule="cosine", total_steps=3)) == expected


def test_gradients_are_clipped_to_the_norm(make_policy):
    policy = make_policy()
    optimizer = PolicyOptimizer(policy, OptimConfig(max_grad_norm=0.5))
    weights = [weight for weight in policy.model.parameters() if weight.requires_grad]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    assert optimizer.step() == pytest.approx(sum(weight.numel() for weight in weights) ** 0.5, rel=1e-4)


def test_bf16_gradients_add_up_in_fp32(make_policy):
    policy = make_policy(dtype=torch.bfloat16)
    optimizer = PolicyOptimizer(policy, OptimConfig(max_grad_norm=1e9))
    name, weight = next((n, w) for n, w in policy.model.named_parameters() if w.requires_grad)
    for size in (256.0, 1.0):
        # 256 + 1 is 256 in bf16.
        (weight.sum() * size).backward()
    assert optimizer.step() == pytest.approx(257.0 * weight.numel() ** 0.5, rel=1e-6), name


def test_a_schedule_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="total_steps must be given for the cosine schedule"):
        OptimConfig(schedule="cosine")


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ConfigError, match="schedule must be constant, cosine or linear, got 'steps'"):
        OptimConfig(schedule="steps")


def test_a_learning_rate_of_zero_is_refused():
    with pytest.raises(ConfigError, match=r"lr and max_grad_norm must be above 0, got 0 and 1\.0"):
        OptimConfig(lr=0)
