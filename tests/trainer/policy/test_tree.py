"""The tree of shared prefixes is the plain forward, computed once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.core.errors import InputError
from pivotgym.trainer.policy import Span, score_tree
from pivotgym.trainer.policy import attention as attention_module
from pivotgym.trainer.policy.tree import build_tree

TOKENS = st.integers(2, 127)
STATES = st.lists(TOKENS, min_size=1, max_size=12)
# Few distinct tokens, so that actions often share beginnings or are equal.
ACTIONS = st.lists(st.lists(st.integers(2, 4), min_size=1, max_size=6), min_size=1, max_size=6)


def plain_logprobs(policy, state, action, temperature=1.0):
    logits = policy.model(torch.tensor([[*state, *action]])).logits[0].float() / temperature
    logprobs = torch.log_softmax(logits, dim=-1)
    return torch.stack([logprobs[len(state) - 1 + at, token] for at, token in enumerate(action)])


def tree_logprobs(policy, state, actions, temperature=1.0):
    return score_tree(policy, [Span([*state, *action], len(state)) for action in actions], temperature)


def gradients(policy, value):
    policy.model.zero_grad()
    value.backward()
    return {name: weight.grad.clone() for name, weight in policy.model.named_parameters()}


@settings(max_examples=40, deadline=None)
@given(state=STATES, actions=ACTIONS, temperature=st.sampled_from([0.5, 1.0, 1.7]))
def test_logprobs_equal_the_plain_forward(shared_policy, state, actions, temperature):
    policy = shared_policy
    with torch.no_grad():
        scored = tree_logprobs(policy, state, actions, temperature)
        plain = torch.cat([plain_logprobs(policy, state, action, temperature) for action in actions])
    torch.testing.assert_close(scored.logprobs, plain, atol=1e-4, rtol=0)


@settings(max_examples=15, deadline=None)
@given(state=STATES, actions=ACTIONS, seed=st.integers(0, 99))
def test_gradients_equal_the_plain_forward(shared_policy, state, actions, seed):
    policy = shared_policy
    weights = torch.randn(sum(map(len, actions)), generator=torch.Generator().manual_seed(seed))
    scored = gradients(policy, (tree_logprobs(policy, state, actions).logprobs * weights).sum())
    plain = torch.cat([plain_logprobs(policy, state, action) for action in actions])
    expected = gradients(policy, (plain * weights).sum())
    for name, gradient in expected.items():
        torch.testing.assert_close(scored[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


def test_the_fused_kernel_gives_the_same_gradients(tiny_policy, monkeypatch):
    state, actions = list(range(2, 20)), [[5, 6, 7], [5, 9], [8]]
    stepwise = gradients(tiny_policy, tree_logprobs(tiny_policy, state, actions).logprobs.sum())
    monkeypatch.setattr(attention_module, "_STEPWISE_KEYS", 0)
    fused = gradients(tiny_policy, tree_logprobs(tiny_policy, state, actions).logprobs.sum())
    for name, gradient in stepwise.items():
        torch.testing.assert_close(fused[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


def test_entropy_is_that_of_the_distribution_each_token_was_drawn_from(tiny_policy):
    state, action = [3, 4, 5], [6, 7]
    with torch.no_grad():
        scored = tree_logprobs(tiny_policy, state, [action])
        logits = tiny_policy.model(torch.tensor([[*state, *action]])).logits[0, 2:4]
    torch.testing.assert_close(scored.entropy, torch.distributions.Categorical(logits=logits).entropy())


def test_the_state_is_computed_once_for_its_group(tiny_policy):
    scored = tree_logprobs(tiny_policy, list(range(2, 52)), [[60 + n, 70, 80] for n in range(8)])
    assert scored.forward_tokens == 50 + 8 * 2


def test_equal_actions_and_equal_beginnings_are_computed_once():
    tree = build_tree([Span([9, 9, *action], 2) for action in ([5, 6, 7], [5, 6, 7], [5, 6, 8], [4, 3])])
    assert tree.ids.tolist() == [9, 9, 5, 6, 4]


def test_a_branch_sees_the_state_and_its_own_ancestors_only():
    tree = build_tree([Span([9, 5, 6, 7], 1), Span([9, 4, 3], 1)])
    assert tree.ids.tolist() == [9, 5, 6, 4]
    assert tree.visible.int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]
    assert tree.positions.tolist() == [0, 1, 2, 1]


def test_states_without_a_common_token_are_still_right(tiny_policy):
    spans = [Span([3, 4, 5], 2), Span([6, 7, 8], 2)]
    with torch.no_grad():
        scored = score_tree(tiny_policy, spans)
        plain = torch.cat([plain_logprobs(tiny_policy, [3, 4], [5]), plain_logprobs(tiny_policy, [6, 7], [8])])
    torch.testing.assert_close(scored.logprobs, plain, atol=1e-4, rtol=0)


def test_turns_of_one_trajectory_share_one_row(tiny_policy):
    turns = [Span([2, 3, 4, 5], 2), Span([2, 3, 4, 5, 6, 7, 8], 6)]
    with torch.no_grad():
        scored = score_tree(tiny_policy, turns)
        plain = torch.cat([plain_logprobs(tiny_policy, s.ids[: s.start], s.ids[s.start :]) for s in turns])
    assert scored.forward_tokens == 6
    torch.testing.assert_close(scored.logprobs, plain, atol=1e-4, rtol=0)


def test_the_plain_forward_is_untouched_by_scoring(tiny_policy):
    before = tiny_policy.model.config._attn_implementation
    tiny_policy.score([3, 4], [[5]])
    assert tiny_policy.model.config._attn_implementation == before


def test_no_sequence_is_refused():
    with pytest.raises(InputError, match="at least one sequence, got none"):
        build_tree([])


def test_an_empty_action_is_refused():
    with pytest.raises(InputError, match=r"sequence 1 needs a state and an action .* got 2 and 0"):
        build_tree([Span([3, 4], 1), Span([3, 4], 2)])


def test_temperature_zero_is_refused(tiny_policy):
    with pytest.raises(InputError, match="temperature must be above 0, got 0"):
        tiny_policy.score([3], [[4]], temperature=0)
