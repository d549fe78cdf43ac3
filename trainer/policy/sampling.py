"""Sampling actions at many states, each state computed once for all of its samples.

Owns: the request, its checks and the grouping of states into batches. Does not own: the token loop (`decode.py`).

What is drawn at a state depends on (seed, key, branch number) and on the model's probabilities there, never on which
states share its batch. The probabilities themselves carry rounding that depends on the shape of the batch (1e-5 in
fp32, 1e-1 in bf16), so a draw at the edge of two tokens may fall the other way: rarely in fp32, often in bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pivotgym.core.errors import ConfigError, InputError, TooLarge
from pivotgym.trainer.policy.decode import BatchDecoder, Branch, Row, Sample
from pivotgym.trainer.policy.draw import uniforms

if TYPE_CHECKING:
    from pivotgym.trainer.policy.model import Policy


@dataclass(frozen=True)
class SamplingParams:
    """What holds for every sample of a call.

    Attributes:
        max_new_tokens: Tokens after which an action is cut (`finish_reason` "length").
        top_p: Mass of the nucleus that is drawn from, in (0, 1]. Not in the returned log-probabilities.
        stop_token_ids: Tokens that end an action (they are part of it); `policy.stop_token_ids` as a rule.
    """

    max_new_tokens: int = 64
    top_p: float = 1.0
    stop_token_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must lie in (0, 1], got {self.top_p}")


@dataclass(frozen=True)
class StateRequest:
    """One state and the samples wanted there.

    Attributes:
        key: Names the state; with the seed it fixes the draws.
        token_ids: The rendered state.
        temperatures: One per sample, 0 for greedy: `(1.0,) * 8`, or several temperatures over one prefill.
        first_branch: Number of the first sample, so that a second call can draw further ones.
    """

    key: str
    token_ids: Sequence[int]
    temperatures: tuple[float, ...]
    first_branch: int = 0


OnBatch = Callable[[dict[int, list[Sample]]], None]
# Branches of a row all look at each other's columns, masked; beyond this many the masked part costs more than it saves.
_ROW_BRANCHES = 64


def sample(
    policy: Policy,
    requests: Sequence[StateRequest],
    params: SamplingParams,
    *,
    seed: int,
    token_budget: int = 16384,
    share_prefixes: bool = True,
    on_batch: OnBatch | None = None,
) -> list[list[Sample]]:
    """Sample actions at every state.

    Args:
        policy: The model.
        requests: The states, in any order; states of similar length are batched together.
        params: Limits and stop tokens.
        seed: Of the draws.
        token_budget: The most key/value columns of a batch, padding and actions included; a state that is larger gets
            a batch of its own. Memory is `token_budget` x layers x 2 x kv_heads x head_dim x bytes (377 MB for
            SmolLM2-135M in bf16).
        share_prefixes: Whether a state with which another one begins (an earlier turn of the same trajectory) is
            computed as a part of that one. Results are the same up to rounding.
        on_batch: Called with {index in `requests`: samples} whenever a batch is done.

    Returns:
        For each request, its samples in the order of its temperatures.

    Raises:
        InputError: An empty state, no temperature, or a negative one.
        TooLarge: A state leaves no room for an action in the model's context.
    """
    for request in requests:
        _check(request, policy.context_length)
    results: list[list[Sample]] = [[] for _ in requests]
    chains = plan_rows(requests) if share_prefixes else [[index] for index in range(len(requests))]
    for batch in plan_batches(requests, chains, params.max_new_tokens, token_budget):
        found: dict[int, list[Sample]] = {}
        rows: list[Row] = []
        for chain in batch:
            branches = {index: _branches(policy, requests[index], params, seed) for index in chain}
            rows.append(Row(requests[chain[0]].token_ids, [branch for part in branches.values() for branch in part]))
            found |= {index: [branch.sample for branch in part] for index, part in branches.items()}
        BatchDecoder(policy, rows, params.stop_token_ids, params.top_p).run()
        for index, samples in found.items():
            results[index] = samples
        if on_batch is not None:
            on_batch(found)
    return results


def plan_rows(requests: Sequence[StateRequest]) -> list[list[int]]:
    """Gather states that are beginnings of one another.

    Returns:
        Lists of indices into `requests`; every state of a list is a beginning of the list's first one.
    """
    ids = [tuple(request.token_ids) for request in requests]
    chains: list[list[int]] = []
    branches = 0
    # In descending order, whatever begins with a state stands right before it.
    for index in sorted(range(len(requests)), key=lambda index: ids[index], reverse=True):
        count = len(requests[index].temperatures)
        fits = chains and branches + count <= _ROW_BRANCHES
        if fits and ids[chains[-1][0]][: len(ids[index])] == ids[index]:
            chains[-1].append(index)
            branches += count
        else:
            chains.append([index])
            branches = count
    return chains


def plan_batches(
    requests: Sequence[StateRequest], chains: Sequence[list[int]], max_new_tokens: int, token_budget: int
) -> Iterator[list[list[int]]]:
    """Group rows of similar length so that each batch stays within `token_budget` columns; longest first.

    Yields:
        Lists of `chains`.
    """

    def width(chain: list[int]) -> int:
        branches = sum(len(requests[index].temperatures) for index in chain)
        return len(requests[chain[0]].token_ids) + branches * max_new_tokens

    batch: list[list[int]] = []
    columns = 0
    for chain in sorted(chains, key=lambda chain: (-width(chain), chain)):
        columns = max(columns, width(chain))
        if batch and columns * (len(batch) + 1) > token_budget:
            yield batch
            batch, columns = [], width(chain)
        batch.append(chain)
    if batch:
        yield batch


def _branches(policy: Policy, request: StateRequest, params: SamplingParams, seed: int) -> list[Branch]:
    length = len(request.token_ids)
    limit = min(params.max_new_tokens, policy.context_length - length)
    return [
        Branch(
            length=length,
            numbers=torch.from_numpy(uniforms(seed, request.key, request.first_branch + at, limit)),
            sample=Sample(temperature=temperature),
        )
        for at, temperature in enumerate(request.temperatures)
    ]


def _check(request: StateRequest, context_length: int) -> None:
    if not request.token_ids:
        raise InputError(f"the state {request.key!r} has no tokens")
    if not request.temperatures or min(request.temperatures) < 0:
        raise InputError(
            f"temperatures of the state {request.key!r} must be one number >= 0 per sample, got {request.temperatures}"
        )
    if len(request.token_ids) >= context_length:
        raise TooLarge(
            f"the state {request.key!r} has {len(request.token_ids)} tokens, the policy's context is {context_length}",
            hint="drop such pivots at extraction",
        )
