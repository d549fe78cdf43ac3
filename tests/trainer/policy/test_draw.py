"""Tokens are drawn by searching a uniform number in the cumulative distribution."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.trainer.policy.draw import draw, uniforms

LOGITS = st.lists(st.floats(-20, 20), min_size=2, max_size=700)
NUMBER = st.floats(0, 1, exclude_max=True)


def one(logits, number, temperature=1.0, top_p=1.0):
    tokens, logprobs = draw(
        torch.tensor([logits]), torch.tensor([temperature]), torch.tensor([number], dtype=torch.float64), top_p
    )
    return int(tokens), float(logprobs)


@settings(max_examples=200, deadline=None)
@given(logits=LOGITS, number=NUMBER, temperature=st.sampled_from([0.1, 0.7, 1.0, 2.0]))
def test_the_number_falls_into_the_token_s_share(logits, number, temperature):
    token, _ = one(logits, number, temperature)
    shares = torch.softmax(torch.tensor(logits).double() / temperature, dim=-1)
    end = float(shares[: token + 1].sum())
    assert end - float(shares[token]) - 1e-5 <= number <= end + 1e-5


@settings(max_examples=100, deadline=None)
@given(logits=LOGITS, number=NUMBER, top_p=st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_the_logprob_is_that_of_the_whole_distribution_at_the_temperature(logits, number, top_p):
    token, logprob = one(logits, number, 0.7, top_p)
    expected = torch.log_softmax(torch.tensor(logits) / 0.7, dim=-1)[token]
    assert abs(logprob - float(expected)) < 1e-4


@settings(max_examples=100, deadline=None)
@given(logits=LOGITS, number=NUMBER, top_p=st.sampled_from([0.1, 0.5, 0.9]))
def test_top_p_draws_from_the_nucleus_only(logits, number, top_p):
    token, _ = one(logits, number, 1.0, top_p)
    shares = torch.softmax(torch.tensor(logits).double(), dim=-1)
    mass_above = float(shares[shares > shares[token] * (1 + 1e-6)].sum())
    assert mass_above <= top_p + 1e-6


def test_top_p_sorts_everything_when_the_nucleus_is_wide():
    token, _ = one([0.0] * 5000, 0.999, top_p=0.99)
    assert 0 <= token < 5000


def test_a_token_without_probability_is_never_drawn():
    logits = [-float("inf")] * 300 + [0.0] + [-float("inf")] * 300
    assert {one(logits, number)[0] for number in (0.0, 0.5, 1 - 1e-16)} == {300}


def test_temperature_zero_takes_the_most_likely_token():
    assert one([0.0, 3.0, 1.0], 0.99, temperature=0.0) == (1, 0.0)


def test_draws_follow_the_distribution():
    count = 20000
    numbers = torch.from_numpy(uniforms(0, "state", 0, count))
    tokens, _ = draw(torch.tensor([[0.0, 1.0, 2.0]]).expand(count, 3), torch.ones(count), numbers)
    share = torch.bincount(tokens, minlength=3) / count
    torch.testing.assert_close(share, torch.softmax(torch.tensor([0.0, 1.0, 2.0]), -1), atol=0.015, rtol=0)


def test_rows_are_drawn_at_their_own_temperatures():
    logits = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
    _, logprobs = draw(logits, torch.tensor([1.0, 0.5]), torch.tensor([0.9, 0.9], dtype=torch.float64))
    expected = [float(torch.log_softmax(logits[0] / t, -1)[1]) for t in (1.0, 0.5)]
    np.testing.assert_allclose(logprobs.tolist(), expected, atol=1e-6)


def test_each_branch_state_and_seed_has_its_own_numbers():
    streams = [uniforms(*which, 4).tolist() for which in ((0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0))]
    assert len({tuple(stream) for stream in streams}) == 4


def test_numbers_do_not_depend_on_how_many_are_asked_for():
    assert uniforms(3, "a", 2, 10)[:4].tolist() == uniforms(3, "a", 2, 4).tolist()
