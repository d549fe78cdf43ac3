"""Advantages, ratios, clipping, the KL and the reduction, against values worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.trainer.learn.losses import (
    action_ids,
    approx_kl,
    group_advantages,
    has_signal,
    loss_share,
    over_action,
    policy_loss,
    reduce_loss,
)

REWARDS = st.lists(st.floats(0, 1), min_size=2, max_size=16)


def loss_of(log_ratio, advantage, *, lengths=None, **options):
    count = len(log_ratio)
    settings = {"clip_low": 0.2, "clip_high": 0.28, **options}
    return policy_loss(
        torch.tensor(log_ratio, requires_grad=True),
        torch.zeros(count),
        torch.tensor(advantage),
        action_ids(lengths or [1] * count),
        **settings,
    )


def test_grpo_divides_by_the_sample_standard_deviation():
    assert group_advantages([1.0, 0.0, 0.0, 1.0], eps=0) == pytest.approx(
        [math.sqrt(3) / 2, -math.sqrt(3) / 2, -math.sqrt(3) / 2, math.sqrt(3) / 2]
    )


def test_the_population_standard_deviation_can_be_chosen():
    assert group_advantages([1.0, 0.0], scale="population_std", eps=0) == pytest.approx([1.0, -1.0])


def test_without_scale_only_the_mean_is_taken_off():
    assert group_advantages([1.0, 0.0, 0.0, 0.0], scale="none") == pytest.approx([0.75, -0.25, -0.25, -0.25])


def test_the_leave_one_out_baseline_is_the_mean_of_the_others():
    assert group_advantages([1.0, 0.5, 0.0], baseline="leave_one_out", scale="none") == pytest.approx([0.75, 0, -0.75])


@given(REWARDS)
def test_leave_one_out_is_the_mean_baseline_times_g_over_g_minus_one(rewards):
    by_mean = group_advantages(rewards, scale="none")
    factor = len(rewards) / (len(rewards) - 1)
    assert group_advantages(rewards, baseline="leave_one_out", scale="none") == pytest.approx(
        [value * factor for value in by_mean], abs=1e-12
    )


@given(REWARDS, st.sampled_from(["mean", "leave_one_out"]), st.sampled_from(["sample_std", "population_std", "none"]))
def test_advantages_of_a_group_add_up_to_nothing(rewards, baseline, scale):
    assert sum(group_advantages(rewards, baseline=baseline, scale=scale)) == pytest.approx(0, abs=1e-6)


def test_eps_is_added_to_the_standard_deviation():
    assert group_advantages([1.0, 0.0], scale="population_std", eps=0.5) == pytest.approx([0.5, -0.5])


@given(REWARDS)
def test_masked_rewards_change_nothing_for_the_others(rewards):
    with_holes = [None, *rewards, None]
    assert group_advantages(with_holes) == [0.0, *group_advantages(rewards), 0.0]


def test_a_single_valid_reward_has_no_advantage():
    assert group_advantages([None, 1.0, None]) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("rewards", "signal"),
    [([0.5, 0.5], False), ([0.0, None, 0.0], False), ([None, None], False), ([0.0, 1.0], True), ([0.4, 0.5], True)],
)
def test_signal_is_a_difference_of_rewards_not_a_mean(rewards, signal):
    assert has_signal(rewards) is signal


@pytest.mark.parametrize(
    ("log_ratio", "advantage", "expected"),
    [(0.0, 2.0, -2.0), (math.log(1.5), 2.0, -2.56), (math.log(0.5), -1.0, 0.8), (math.log(1.5), -1.0, 1.5)],
)
def test_the_clip_is_asymmetric_and_pessimistic(log_ratio, advantage, expected):
    assert loss_of([log_ratio], [advantage]).loss.item() == pytest.approx(expected)


def test_a_clipped_token_gives_no_gradient_and_is_counted():
    log_ratio = torch.tensor([math.log(1.5), math.log(1.1)], requires_grad=True)
    part = policy_loss(
        log_ratio, torch.zeros(2), torch.ones(2), action_ids([1, 1]), clip_low=0.2, clip_high=0.28, ratio="token"
    )
    part.loss.sum().backward()
    assert part.clipped.tolist() == [True, False]
    assert log_ratio.grad.tolist() == pytest.approx([0.0, -1.1])


def test_the_ratio_of_an_action_is_the_product_of_its_tokens():
    part = loss_of([0.05, 0.05, -0.03], [1.0, 1.0, 1.0], lengths=[2, 1], ratio="action")
    assert part.loss.tolist() == pytest.approx([-math.exp(0.1), -math.exp(0.1), -math.exp(-0.03)])


def test_the_mean_ratio_of_an_action_is_geometric():
    part = loss_of([0.1, 0.0, -0.03], [1.0, 1.0, 1.0], lengths=[2, 1], ratio="action_mean")
    assert part.loss.tolist() == pytest.approx([-math.exp(0.05), -math.exp(0.05), -math.exp(-0.03)])


def test_importance_sampling_is_capped():
    sampler = torch.tensor([-math.log(2.0), -math.log(50.0)])
    assert loss_of([0.0, 0.0], [1.0, 1.0], sampler_logprobs=sampler, tis_cap=5.0).loss.tolist() == [-2.0, -5.0]


def test_token_reduction_adds_up_all_tokens():
    assert reduce_loss(torch.tensor([1.0, 2.0, 3.0]), action_ids([2, 1]), "token").item() == 6.0


def test_action_reduction_adds_up_the_means_of_the_actions():
    assert reduce_loss(torch.tensor([1.0, 2.0, 3.0]), action_ids([2, 1]), "action").item() == 4.5


LOSSES = st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=9), min_size=1, max_size=6)


@given(LOSSES, st.integers(1, 50))
def test_reductions_are_the_formulas_of_their_papers(parts, length):
    flat, actions = torch.tensor([value for part in parts for value in part]), action_ids([len(part) for part in parts])
    rows = [torch.tensor(part) for part in parts]
    expected = {
        "token": torch.cat(rows).mean(),
        "action": torch.stack([row.mean() for row in rows]).mean(),
        "constant": torch.stack([row.sum() / length for row in rows]).mean(),
    }
    for reduction, value in expected.items():
        share = loss_share(reduction, tokens=len(flat), actions=len(parts), length=length)
        torch.testing.assert_close(reduce_loss(flat, actions, reduction) / share, value, atol=1e-5, rtol=1e-5)


@given(st.integers(1, 9), st.integers(1, 6))
def test_reductions_agree_where_all_actions_are_of_the_constant_length(length, count):
    loss, actions = torch.arange(length * count, dtype=torch.float64), action_ids([length] * count)
    shares = {
        name: reduce_loss(loss, actions, name) / loss_share(name, tokens=len(loss), actions=count, length=length)
        for name in ("token", "action", "constant")
    }
    assert list(shares.values()) == pytest.approx([loss.mean().item()] * 3)


def test_tokens_are_added_up_within_their_action():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert over_action(values, action_ids([1, 3]), mean=False).tolist() == [1.0, 9.0]


@pytest.mark.parametrize(("kind", "expected"), [("k1", 0.5), ("k2", 0.125), ("k3", math.exp(-0.5) - 0.5)])
def test_kl_estimators(kind, expected):
    assert approx_kl(torch.tensor([0.5]), torch.tensor([0.0]), kind).item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_kl_estimators_are_unbiased(kind):
    policy, reference = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.4, 0.4, 0.2])
    estimate = (policy * approx_kl(policy.log(), reference.log(), kind)).sum()
    torch.testing.assert_close(estimate, (policy * (policy / reference).log()).sum())
