"""Sampling actions at many states, each state computed once for all of its samples.

Owns: the request, its checks and the grouping of states into batches. Does not own: the token loop (`decode.py`).

What is drawn at a state depends on (seed, key, branch number) and on the model's probabilities there, never on which
states share its batch. In fp32 the samples are therefore the same in every batch; in bf16 the probabilities themselves
carry rounding that depends on the shape of the batch, and a draw at the edge of two tokens may fall the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pivotgym.core.errors import ConfigError, InputError, TooLarge
from pivotgym.trainer.policy.decode import BatchDecoder, Sample

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


def sample(
    policy: Policy,
    requests: Sequence[StateRequest],
    params: SamplingParams,
    *,
    seed: int,
    token_budget: int = 16384,
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
    for batch in plan_batches(requests, params.max_new_tokens, token_budget):
        done = BatchDecoder(policy, [requests[index] for index in batch], params, seed).run()
        found = dict(zip(batch, done, strict=True))
        for index, samples in found.items():
            results[index] = samples
        if on_batch is not None:
            on_batch(found)
    return results


def plan_batches(requests: Sequence[StateRequest], max_new_tokens: int, token_budget: int) -> Iterator[list[int]]:
    """Group states of similar length so that each batch stays within `token_budget` columns; longest first.

    Yields:
        Indices into `requests`.
    """
    order = sorted(range(len(requests)), key=lambda index: -len(requests[index].token_ids))
    batch: list[int] = []
    columns = 0
    for index in order:
        width = len(requests[index].token_ids) + len(requests[index].temperatures) * max_new_tokens
        columns = max(columns, width)
        if batch and columns * (len(batch) + 1) > token_budget:
            yield batch
            batch, columns = [], width
        batch.append(index)
    if batch:
        yield batch


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
