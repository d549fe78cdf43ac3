"""Sampling over one copy of each state gives what sampling one by one gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.core.errors import ConfigError, InputError, TooLarge
from pivotgym.trainer.policy import SamplingParams, StateRequest, sample
from pivotgym.trainer.policy.draw import uniforms
from pivotgym.trainer.policy.sampling import plan_batches, plan_rows

STATES = [[5, 6, 7], [9] * 17, [20, 21, 22, 23, 24, 25], [3]]


def requests(temperatures=(1.0,) * 3):
    return [StateRequest(f"s{index}", ids, temperatures) for index, ids in enumerate(STATES)]


def tokens(results):
    return [[sampled.token_ids for sampled in samples] for samples in results]


def naive(policy, ids, key, branch, temperature, params, seed):
    numbers = torch.from_numpy(uniforms(seed, key, branch, params.max_new_tokens))
    said = []
    for number in numbers:
        with torch.no_grad():
            logits = policy.model(torch.tensor([[*ids, *said]])).logits[0, -1].double() / temperature
        shares = torch.softmax(logits, -1).cumsum(-1)
        said.append(int(torch.searchsorted(shares, number * shares[-1], right=True)))
        if said[-1] in params.stop_token_ids:
            break
    return said


def test_equals_a_naive_sampler_with_the_same_numbers(tiny_policy):
    params = SamplingParams(max_new_tokens=8, stop_token_ids=tuple(range(1, 20)))
    got = sample(tiny_policy, requests((1.0, 0.3)), params, seed=4)
    for request, samples in zip(requests((1.0, 0.3)), got, strict=True):
        for branch, sampled in enumerate(samples):
            expected = naive(
                tiny_policy, request.token_ids, request.key, branch, request.temperatures[branch], params, 4
            )
            assert sampled.token_ids == expected


def test_logprobs_are_those_of_a_plain_forward_over_the_sampled_ids(tiny_policy):
    params = SamplingParams(max_new_tokens=10, stop_token_ids=(1, 2, 3))
    for request, samples in zip(
        requests((1.0, 0.5)), sample(tiny_policy, requests((1.0, 0.5)), params, seed=0), strict=True
    ):
        for sampled in samples:
            [expected] = tiny_policy.score(request.token_ids, [sampled.token_ids], sampled.temperature)
            assert sampled.logprobs == pytest.approx(expected, abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(4)), budget=st.sampled_from([1, 64, 4096]))
def test_draws_do_not_depend_on_the_batch(shared_policy, order, budget):
    params = SamplingParams(max_new_tokens=6, stop_token_ids=(1, 2))
    alone = [sample(shared_policy, [request], params, seed=1)[0] for request in requests()]
    mixed = sample(shared_policy, [requests()[at] for at in order], params, seed=1, token_budget=budget)
    assert tokens(mixed) == tokens([alone[at] for at in order])


def test_more_samples_of_a_state_go_on_where_the_first_stopped(tiny_policy):
    params = SamplingParams(max_new_tokens=5)
    [all_four] = tokens(sample(tiny_policy, [StateRequest("s", [4, 5], (1.0,) * 4)], params, seed=0))
    [last_two] = tokens(sample(tiny_policy, [StateRequest("s", [4, 5], (1.0,) * 2, first_branch=2)], params, seed=0))
    assert all_four[2:] == last_two


def test_another_seed_draws_otherwise(tiny_policy):
    params = SamplingParams(max_new_tokens=12)
    first, second = (tokens(sample(tiny_policy, requests(), params, seed=seed)) for seed in (0, 1))
    assert first != second


def test_a_stop_token_ends_the_action_and_is_part_of_it(tiny_policy):
    stops = tuple(range(2, 64))
    for samples in sample(tiny_policy, requests(), SamplingParams(max_new_tokens=50, stop_token_ids=stops), seed=0):
        for sampled in samples:
            assert sampled.finish_reason == "stop"
            assert [token in stops for token in sampled.token_ids] == [False] * (len(sampled.token_ids) - 1) + [True]


def test_an_action_is_cut_at_the_token_limit(tiny_policy):
    [[sampled]] = sample(tiny_policy, [StateRequest("s", [4], (1.0,))], SamplingParams(max_new_tokens=7), seed=0)
    assert (len(sampled.token_ids), sampled.finish_reason) == (7, "length")


def test_an_action_is_cut_at_the_end_of_the_context(make_policy):
    policy = make_policy(context=12)
    results = sample(
        policy, [StateRequest("long", [4] * 10, (1.0,)), StateRequest("s", [4], (1.0,))], SamplingParams(8), seed=0
    )
    assert [len(samples[0].token_ids) for samples in results] == [2, 8]


def test_temperature_zero_is_greedy(tiny_policy):
    [[first, second]] = sample(tiny_policy, [StateRequest("s", [4, 9], (0.0, 0.0))], SamplingParams(6), seed=0)
    ids = torch.tensor([[4, 9]])
    greedy = tiny_policy.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6, eos_token_id=None, pad_token_id=0
    )
    assert first.token_ids == second.token_ids == greedy[0, 2:].tolist()


def test_each_batch_is_reported_once_with_its_samples(tiny_policy):
    seen = {}
    results = sample(tiny_policy, requests(), SamplingParams(4), seed=0, token_budget=30, on_batch=seen.update)
    assert [seen[index] for index in range(len(STATES))] == results


def test_batches_stay_within_the_budget_and_hold_similar_lengths():
    chains = [[0], [1], [2], [3]]
    # A row takes its state and 3 samples of 2 tokens: 9, 23, 12 and 7 columns.
    assert list(plan_batches(requests(), chains, max_new_tokens=2, token_budget=40)) == [[[1]], [[2], [0], [3]]]


TURNS = [[5, 6, 7, 8, 9, 10], [5, 6], [5, 6, 7, 8], [5, 6, 7, 99], [5, 6]]


def test_earlier_turns_join_the_row_of_a_later_one():
    turns = [StateRequest(f"t{index}", ids, (1.0,) * 2) for index, ids in enumerate(TURNS)]
    assert plan_rows(turns) == [[3], [0, 2, 1, 4]]


def test_a_row_holds_a_bounded_number_of_branches():
    turns = [StateRequest(f"t{length}", [5] * length, (1.0,) * 30) for length in (1, 2, 3)]
    assert plan_rows(turns) == [[2, 1], [0]]


def test_sharing_a_row_changes_nothing(tiny_policy):
    turns = [StateRequest(f"t{index}", ids, (1.0, 0.5)) for index, ids in enumerate(TURNS)]
    params = SamplingParams(max_new_tokens=9, stop_token_ids=(1, 2, 3))
    shared, apart = (sample(tiny_policy, turns, params, seed=0, share_prefixes=share) for share in (True, False))
    assert tokens(shared) == tokens(apart)


def test_an_empty_state_is_refused(tiny_policy):
    with pytest.raises(InputError, match="the state 's' has no tokens"):
        sample(tiny_policy, [StateRequest("s", [], (1.0,))], SamplingParams(), seed=0)


@pytest.mark.parametrize("temperatures", [(), (1.0, -0.5)])
def test_bad_temperatures_are_refused(tiny_policy, temperatures):
    with pytest.raises(InputError, match="temperatures of the state 's' must be one number >= 0 per sample"):
        sample(tiny_policy, [StateRequest("s", [3], temperatures)], SamplingParams(), seed=0)


def test_a_state_as_long_as_the_context_is_refused(make_policy):
    with pytest.raises(TooLarge, match=r"has 12 tokens, the policy's context is 12 \(drop such pivots at extraction\)"):
        sample(make_policy(context=12), [StateRequest("s", [3] * 12, (1.0,))], SamplingParams(), seed=0)


def test_no_room_for_a_token_is_refused():
    with pytest.raises(ConfigError, match="max_new_tokens must be at least 1, got 0"):
        SamplingParams(max_new_tokens=0)


def test_an_empty_nucleus_is_refused():
    with pytest.raises(ConfigError, match=r"top_p must lie in \(0, 1\], got 0"):
        SamplingParams(top_p=0)
