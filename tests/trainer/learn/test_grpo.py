"""One GRPO step over shared prefixes is the plain formula."""

import pytest
import torch

from pivotgym.core.errors import ConfigError, InputError, PolicyFailed
from pivotgym.trainer.learn import Group, GrpoConfig, OptimConfig, PolicyOptimizer, grpo_step
from pivotgym.trainer.learn.losses import group_advantages

GROUPS = [
    Group([3, 4, 5, 6], [[7, 8, 1], [7, 9], [7, 8, 1], [10, 11, 12, 1]], [1.0, 0.0, 1.0, 0.0]),
    Group([20, 21], [[22], [23, 24], [25, 1]], [0.0, 0.5, 1.0]),
]
LENGTH = 12


def plain_loss(policy, groups, reduction, baseline):
    """Padded-free, one action at a time, written as the formula stands."""
    terms, counts = [], []
    for group in groups:
        advantages = group_advantages(group.rewards, baseline=baseline)
        for action, advantage in zip(group.actions, advantages, strict=True):
            logits = policy.model(torch.tensor([[*group.state_ids, *action]])).logits[0, len(group.state_ids) - 1 : -1]
            logprobs = torch.log_softmax(logits, -1).gather(1, torch.tensor(action)[:, None])[:, 0]
            terms.append(-torch.exp(logprobs - logprobs.detach()) * advantage)
            counts.append(len(action))
    if reduction == "token":
        return sum(term.sum() for term in terms) / sum(counts)
    if reduction == "constant":
        return sum(term.sum() / LENGTH for term in terms) / len(terms)
    return sum(term.mean() for term in terms) / len(terms)


def weights(policy):
    return {name: weight.detach().clone() for name, weight in policy.model.named_parameters()}


def trained(policy, groups, config, optim=None, **options):
    optimizer = PolicyOptimizer(policy, optim or OptimConfig(lr=1e-3))
    return grpo_step(policy, optimizer, groups, config, **options)


@pytest.mark.parametrize("reduction", ["token", "action", "constant"])
@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
def test_the_update_is_that_of_the_plain_formula(make_policy, reduction, baseline):
    shared, plain = make_policy(), make_policy()
    settings = OptimConfig(lr=1e-3, train_embeddings=True)
    length = LENGTH if reduction == "constant" else None
    metrics = trained(shared, GROUPS, GrpoConfig(reduction=reduction, length=length, baseline=baseline), settings)
    optimizer = PolicyOptimizer(plain, settings)
    loss = plain_loss(plain, GROUPS, reduction, baseline)
    loss.backward()
    norm = optimizer.step()
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-6)
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_gradients_of_several_groups_add_up(make_policy):
    policy, steps = make_policy(), []
    trained(policy, GROUPS, GrpoConfig(), on_group=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]


def test_rewarded_actions_gain_on_the_others(tiny_policy):
    group = GROUPS[0]

    def margin():
        first, second, third, fourth = map(sum, tiny_policy.score(group.state_ids, group.actions))
        return first + third - second - fourth

    before = margin()
    trained(tiny_policy, [group], GrpoConfig())
    assert margin() > before


def test_a_masked_action_changes_nothing(make_policy):
    with_error = Group([3, 4], [[5, 6], [9, 9, 9], [7]], [1.0, None, 0.0])
    without = Group([3, 4], [[5, 6], [7]], [1.0, 0.0])
    first, second = make_policy(), make_policy()
    metrics = trained(first, [with_error], GrpoConfig())
    trained(second, [without], GrpoConfig())
    assert (metrics["masked"], metrics["actions"], metrics["tokens"]) == (1.0, 2.0, 3.0)
    assert first.fingerprint() == second.fingerprint()


def test_the_caller_can_mask_truncated_actions(make_policy):
    cut = Group([3, 4], [[5, 6], [9, 9, 9], [7]], [1.0, 0.0, 0.0], masked=[False, True, False])
    error = Group([3, 4], [[5, 6], [9, 9, 9], [7]], [1.0, None, 0.0])
    first, second = make_policy(), make_policy()
    trained(first, [cut], GrpoConfig())
    trained(second, [error], GrpoConfig())
    assert first.fingerprint() == second.fingerprint()


def test_a_group_without_signal_is_skipped_but_stays_in_the_mean(tiny_policy):
    flat = Group([30, 31], [[32, 33, 34], [35]], [1.0, 1.0])
    metrics = trained(tiny_policy, [GROUPS[0], flat], GrpoConfig())
    assert (metrics["groups_trained"], metrics["zero_variance_share"], metrics["tokens"]) == (1.0, 0.5, 16.0)


def test_all_groups_without_a_valid_reward_change_nothing(tiny_policy):
    before = tiny_policy.fingerprint()
    metrics = trained(tiny_policy, [Group([3], [[4], [5]], [None, None])], GrpoConfig())
    assert (metrics["stepped"], metrics["masked"]) == (0.0, 2.0)
    assert tiny_policy.fingerprint() == before


def test_the_kl_to_itself_is_zero(make_policy):
    metrics = trained(make_policy(), GROUPS, GrpoConfig(kl_coef=0.1), reference=make_policy())
    assert metrics["kl"] == pytest.approx(0.0, abs=1e-6)


def test_the_kl_term_pulls_towards_the_reference(make_policy):
    policy, reference = make_policy(0), make_policy(1)
    flat = [Group(group.state_ids, group.actions, [0.0] * len(group.actions)) for group in GROUPS]
    optimizer = PolicyOptimizer(policy, OptimConfig(lr=3e-3))
    config = GrpoConfig(kl_coef=1.0, kl="k2")
    losses = [grpo_step(policy, optimizer, flat, config, reference=reference)["kl"] for _ in range(8)]
    assert losses[-1] < losses[0] / 2


def test_against_the_sampler_s_logprobs_the_ratio_is_clipped(tiny_policy):
    group = GROUPS[0]
    far = [[value - 5.0 for value in part] for part in tiny_policy.score(group.state_ids, group.actions)]
    stale = Group(group.state_ids, group.actions, group.rewards, far)
    metrics = trained(tiny_policy, [stale], GrpoConfig(old_logprobs="sampler"))
    # The ratio is e^5 everywhere: clipped where the advantage is positive, 6 of 12 tokens.
    assert metrics["clip_fraction"] == pytest.approx(0.5)


def test_the_sampler_s_own_logprobs_differ_by_nothing(tiny_policy):
    group = GROUPS[0]
    exact = Group(group.state_ids, group.actions, group.rewards, tiny_policy.score(group.state_ids, group.actions))
    metrics = trained(tiny_policy, [exact], GrpoConfig(tis_cap=2.0))
    assert metrics["sampler_kl"] == pytest.approx(0.0, abs=1e-6)


def test_equal_actions_are_computed_once(tiny_policy):
    metrics = trained(tiny_policy, GROUPS[:1], GrpoConfig())
    # The state's 4, then 7, 8 (shared by three actions), then 10, 11, 12; last tokens are never fed.
    assert metrics["forward_tokens"] == 4 + 2 + 3


def test_embeddings_stay_as_they_were_by_default(tiny_policy):
    before = weights(tiny_policy)
    trained(tiny_policy, GROUPS, GrpoConfig())
    changed = {name for name, weight in weights(tiny_policy).items() if not torch.equal(weight, before[name])}
    assert changed == set(before) - {"model.embed_tokens.weight"}


def test_a_bf16_policy_follows_its_fp32_masters(make_policy):
    policy = make_policy(dtype=torch.bfloat16)
    optimizer = PolicyOptimizer(policy, OptimConfig(lr=1e-3))
    grpo_step(policy, optimizer, GROUPS, GrpoConfig())
    masters = optimizer.state_dict()["masters"]
    assert {master.dtype for master in masters.values()} == {torch.float32}
    assert all(torch.equal(weights(policy)[name], master.bfloat16()) for name, master in masters.items())


def test_bf16_steps_too_small_for_bf16_still_add_up(make_policy):
    policy = make_policy(dtype=torch.bfloat16)
    optimizer = PolicyOptimizer(policy, OptimConfig(lr=1e-6))
    before = {name: m.clone() for name, m in optimizer.state_dict()["masters"].items()}
    for _ in range(3):
        grpo_step(policy, optimizer, GROUPS, GrpoConfig())
    after = optimizer.state_dict()["masters"]
    assert all(not torch.equal(after[name], before[name]) for name in before)


def test_a_gradient_that_is_not_finite_changes_nothing(tiny_policy):
    before = tiny_policy.fingerprint()
    group = Group([3], [[4], [5]], [float("inf"), 0.0])
    with pytest.raises(PolicyFailed, match="the gradient norm is nan at step 0; the weights were left as they were"):
        trained(tiny_policy, [group], GrpoConfig())
    assert tiny_policy.fingerprint() == before


def test_a_kl_without_a_reference_is_refused(tiny_policy):
    with pytest.raises(ConfigError, match=r"kl_coef is 0\.1 but no reference policy was given"):
        trained(tiny_policy, GROUPS, GrpoConfig(kl_coef=0.1))


def test_missing_sampler_logprobs_are_refused(tiny_policy):
    with pytest.raises(ConfigError, match="need the sampler's log-probabilities in every group"):
        trained(tiny_policy, GROUPS, GrpoConfig(tis_cap=2.0))


def test_logprobs_of_another_length_are_refused(tiny_policy):
    with pytest.raises(InputError, match=r"one number per action token \(2\), got 3"):
        trained(tiny_policy, [Group([3], [[4], [5]], [1.0, 0.0], [[0.0], [0.0, 0.0]])], GrpoConfig())


@pytest.mark.parametrize("field", ["rewards", "logprobs", "masked"])
def test_a_group_of_unequal_parts_is_refused(field):
    parts = {"rewards": [1.0, 0.0], field: [[0.0]]}
    with pytest.raises(InputError, match=rf"{field} must have one entry per action \(2\), got 1"):
        Group([3], [[4], [5]], **parts)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"clip_low": 0.0}, "clip_low must lie in"),
        ({"kl_coef": -1.0}, "kl_coef must not be negative"),
        ({"tis_cap": 0.0}, "tis_cap above 0"),
        ({"baseline": "median"}, r"baseline: expected one of \['mean', 'leave_one_out'\], got 'median'"),
        ({"reduction": "sum"}, r"reduction: expected one of .*'constant'\], got 'sum'"),
        ({"old_logprobs": "vllm"}, "old_logprobs: expected one of"),
        ({"reduction": "constant"}, "length: expected tokens to divide by, .* got None with 'constant'"),
        ({"reduction": "constant", "length": 0}, "length: .* got 0 with 'constant'"),
        ({"length": 5}, "length: .* got 5 with 'token'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        GrpoConfig(**settings)
