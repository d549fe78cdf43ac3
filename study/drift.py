"""How far a policy has moved from the base where nothing was trained: what theorem 3.3 speaks of.

Owns: KL, order of probabilities and the likelihood of plain text. Does not own: which prompts and texts are unrelated.

The theorem: at its optimum a policy trained with a reward and a KL term keeps the order of the actions that the reward
does not tell apart, and is of all policies with that acceptable mass the closest to the base. It speaks of each state
by itself; here it is asked of states of another domain, whose actions no reward of this one has told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pivotgym.core.errors import InputError
from pivotgym.core.trajectory import Pivot, Sampling
from pivotgym.study.results import Values
from pivotgym.trainer.engine import LocalEngine, Query
from pivotgym.trainer.policy import Policy


@dataclass(frozen=True)
class Unrelated:
    """A state and what the base does there.

    Attributes:
        name: Its unit in measures.
        state_ids: Token ids of the state.
        actions: Token ids of the base's actions, repeats included.
        logprobs: The base's log-probability of each token, nats.
    """

    name: str
    state_ids: list[int]
    actions: list[list[int]]
    logprobs: list[list[float]]


def unrelated(pivots: Sequence[Pivot], base: LocalEngine, *, actions: int, max_new_tokens: int) -> list[Unrelated]:
    """The base's own actions at some states, drawn at temperature 1."""
    queries = [Query.of(pivot, (1.0,) * actions) for pivot in pivots]
    drawn = base.sample(queries, Sampling(max_new_tokens=max_new_tokens, seed=0)) if queries else []
    found = []
    for pivot, row in zip(pivots, drawn, strict=True):
        state, ids = base.state_ids(pivot.messages, pivot.tools), [list(one.token_ids) for one in row if one.token_ids]
        # Scored anew: the sampler's numbers carry the rounding of its batch.
        found.append(Unrelated(pivot.id, state, ids, base.policy.score(state, ids)))
    return found


def drift(policy: Policy, prompts: Sequence[Unrelated]) -> dict[str, Values]:
    """Distance from the base at unrelated states.

    Args:
        policy: What to measure.
        prompts: Of the base.

    Returns:
        `kl`: KL(base || policy) of an action, nats, by state: the mean over the base's actions of the sum over tokens
        of r - 1 - log r with r = policy / base (never negative, exact for equal policies). `rank_correlation`:
        Spearman's, between the log-probabilities that the two give to the distinct actions of a state; a state with
        fewer than three is left out.
    """
    kl: Values = {}
    order: Values = {}
    for prompt in prompts:
        ours = policy.score(prompt.state_ids, prompt.actions)
        gaps = [np.array(new) - np.array(old) for new, old in zip(ours, prompt.logprobs, strict=True)]
        kl[prompt.name] = float(np.mean([np.sum(np.expm1(gap) - gap) for gap in gaps]))
        totals = {
            tuple(action): (sum(old), sum(new))
            for action, old, new in zip(prompt.actions, prompt.logprobs, ours, strict=True)
        }
        if len(totals) > 2:
            order[prompt.name] = rank_correlation(*map(list, zip(*totals.values(), strict=True)))
    return {"kl": kl, "rank_correlation": order}


def text_nll(policy: Policy, passages: Sequence[str], *, most: int = 128) -> Values:
    """Nats per token of plain text; the exponential is the perplexity.

    Args:
        policy: What to measure.
        passages: Texts of at least two tokens.
        most: Tokens of each that are read.
    """
    found = {}
    for number, passage in enumerate(passages):
        ids: list[int] = policy.tokenizer(passage, add_special_tokens=False)["input_ids"][:most]
        (logprobs,) = policy.score(ids[:1], [ids[1:]])
        found[f"passage {number}"] = -math.fsum(logprobs) / len(logprobs)
    return found


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; equal values share their mean rank.

    Raises:
        InputError: If there are fewer than two values, or not as many on both sides.
    """
    if len(first) != len(second) or len(first) < 2:
        raise InputError(f"first, second: expected two or more values each, got {len(first)} and {len(second)}")
    ranks = [_ranks(np.asarray(values)) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    spread = math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / spread if spread else float(np.array_equal(ranks[0], ranks[1]))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse])
