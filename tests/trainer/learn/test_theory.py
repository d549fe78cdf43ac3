"""The paper's proposition 3.1 and theorems 3.2 and 3.3, as numbers (PivotRL, arXiv 2603.21383).

The policies are tables over a finite set of actions, as in the proofs.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.trainer.learn import Group, GrpoConfig, OptimConfig, PolicyOptimizer, grpo_step
from pivotgym.trainer.learn.losses import group_advantages

BETAS = st.floats(0.2, 5.0)
SEEDS = st.integers(0, 2**31)


def reference_and_rewards(seed, actions=6):
    """A reference policy pi0, and rewards of 0 and 1 of which neither is absent."""
    rng = np.random.default_rng(seed)
    rewards = rng.integers(0, 2, actions).astype(float)
    rewards[:2] = 0.0, 1.0
    return rng.dirichlet(np.ones(actions)) * 0.9 + 0.1 / actions, rewards


def tilted(reference, rewards, beta):
    weights = reference * np.exp(rewards / beta)
    return weights / weights.sum()


def kl(p, q):
    return float(np.sum(p * np.log(p / q)))


@given(st.floats(0, 1), st.integers(2, 16), st.sampled_from(["mean", "leave_one_out"]))
def test_proposition_3_1_equal_rewards_have_no_advantage(reward, count, baseline):
    assert group_advantages([reward] * count, baseline=baseline) == pytest.approx([0.0] * count, abs=1e-9)


def test_proposition_3_1_a_group_of_equal_rewards_leaves_the_policy_as_it_was(tiny_policy):
    before = tiny_policy.fingerprint()
    groups = [Group([3, 4], [[5, 6], [7, 8]], [1.0, 1.0]), Group([9], [[5], [6]], [0.0, 0.0])]
    metrics = grpo_step(tiny_policy, PolicyOptimizer(tiny_policy, OptimConfig()), groups, GrpoConfig())
    assert (metrics["stepped"], metrics["zero_variance_share"]) == (0.0, 1.0)
    assert tiny_policy.fingerprint() == before


@pytest.mark.slow
@settings(deadline=None)
@given(SEEDS, BETAS)
def test_theorem_3_2_natural_gradient_norm_is_the_reward_deviation(seed, beta):
    reference, rewards = reference_and_rewards(seed)
    p = tilted(reference, rewards, beta)
    fisher = np.diag(p) - np.outer(p, p)
    gradient = p * (rewards - p @ rewards)
    natural = np.linalg.pinv(fisher, rcond=1e-10) @ gradient
    deviation = np.sqrt(p @ rewards**2 - (p @ rewards) ** 2)
    assert np.sqrt(natural @ fisher @ natural) == pytest.approx(deviation, rel=1e-6)


@settings(deadline=None)
@given(SEEDS, BETAS)
def test_theorem_3_2_the_grpo_score_along_the_path_is_deviation_over_beta_squared(seed, beta):
    reference, rewards = reference_and_rewards(seed)
    p = tilted(reference, rewards, beta)
    deviation = np.sqrt(p @ (rewards - p @ rewards) ** 2)
    advantages = (rewards - p @ rewards) / deviation
    step = 1e-5 * beta
    slope = (np.log(tilted(reference, rewards, beta + step)) - np.log(tilted(reference, rewards, beta - step))) / (
        2 * step
    )
    assert -p @ (advantages * slope) == pytest.approx(deviation / beta**2, rel=1e-5)


@settings(deadline=None)
@given(SEEDS, BETAS)
def test_theorem_3_3_the_optimum_has_the_stated_acceptable_mass(seed, beta):
    reference, rewards = reference_and_rewards(seed)
    mass = reference @ rewards
    expected = mass * np.exp(1 / beta) / (1 - mass + mass * np.exp(1 / beta))
    assert tilted(reference, rewards, beta) @ rewards == pytest.approx(expected, rel=1e-9)
    assert expected > mass


@settings(deadline=None)
@given(SEEDS, BETAS)
def test_theorem_3_3_odds_within_and_without_the_acceptable_set_are_kept(seed, beta):
    reference, rewards = reference_and_rewards(seed)
    change = tilted(reference, rewards, beta) / reference
    for block in (0.0, 1.0):
        assert np.ptp(change[rewards == block]) == pytest.approx(0.0, abs=1e-9)


@settings(deadline=None)
@given(SEEDS, BETAS, SEEDS)
def test_theorem_3_3_it_minimises_the_objective(seed, beta, other_seed):
    reference, rewards = reference_and_rewards(seed)
    best = tilted(reference, rewards, beta)
    other = np.random.default_rng(other_seed).dirichlet(np.ones(len(reference))) + 1e-12

    def objective(p):
        return -p @ rewards + beta * kl(p, reference)

    assert objective(best) <= objective(other / other.sum()) + 1e-9


@settings(deadline=None)
@given(SEEDS, BETAS, SEEDS)
def test_theorem_3_3_it_is_the_least_change_with_that_mass(seed, beta, other_seed):
    reference, rewards = reference_and_rewards(seed)
    best = tilted(reference, rewards, beta)
    rival = np.random.default_rng(other_seed).dirichlet(np.ones(len(reference))) + 1e-9
    for block in (0.0, 1.0):
        rival[rewards == block] *= best[rewards == block].sum() / rival[rewards == block].sum()
    assert kl(best, reference) <= kl(rival, reference) + 1e-9


def test_theorem_3_3_descent_on_the_objective_finds_the_closed_form():
    reference, rewards = reference_and_rewards(3)
    logits = torch.zeros(len(reference), dtype=torch.float64, requires_grad=True)
    base, r = torch.tensor(reference), torch.tensor(rewards)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-10)

    def objective():
        optimizer.zero_grad()
        p = torch.softmax(logits, -1)
        value = -(p * r).sum() + 0.7 * (p * (p / base).log()).sum()
        value.backward()
        return value

    optimizer.step(objective)
    assert torch.softmax(logits, -1).tolist() == pytest.approx(tilted(reference, rewards, 0.7).tolist(), abs=1e-4)
