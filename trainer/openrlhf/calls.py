"""One call of an executor by OpenRLHF: its seat, the sampling parameters of its actions, its answer.

Owns: what both executors do around their sampling. Does not own: the sampling (`agent`, `episode`), rewards and
failures (`rollouts`), advantages (`groups`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from pivotgym.trainer.openrlhf.groups import Seat
from pivotgym.trainer.openrlhf.rollouts import Played, Rollouts, Tokenizer, blank, draw_seed
from pivotgym.trainer.openrlhf.rows import Row


def own_params(sampling_params: Any, *, seed: int, max_new_tokens: int, stop_ids: list[int]) -> Any:
    """A copy of the group's sampling parameters with draws of its own; the siblings' stay as they are."""
    params = copy(sampling_params)
    params.seed = seed
    params.max_tokens = max_new_tokens
    # OpenRLHF forbids stop tokens as the first one; the engine's log-probabilities then leave them out, the trainer's
    # do not.
    params.min_tokens = 0
    if stop_ids:
        params.stop_token_ids = sorted({*(params.stop_token_ids or ()), *stop_ids})
    return params


def stop_ids(rollouts: Rollouts, tokenizer: Tokenizer) -> list[int]:
    """Ids of the format's stop texts that are single tokens of this tokenizer."""
    encoded = [rollouts.encode(text, tokenizer) for text in rollouts.format.stop]
    return [ids[0] for ids in encoded if len(ids) == 1]


@dataclass(frozen=True)
class Call:
    """One of OpenRLHF's calls of an executor, with its seat in its group.

    Attributes:
        rollouts: What the executors of the process share.
        row: The label, read.
        seat: The sample's place in its group.
        played: The sample.
        tokenizer: The policy's.
    """

    rollouts: Rollouts
    row: Row
    seat: Seat
    played: Played
    tokenizer: Tokenizer
    _shared_params: Any

    def params(self, turn: int = 0) -> Any:
        """The sampling parameters of one action."""
        settings = self.rollouts.settings
        return own_params(
            self._shared_params,
            seed=draw_seed(settings.seed, self.row.place, self.seat.number, turn),
            max_new_tokens=settings.max_new_tokens,
            stop_ids=stop_ids(self.rollouts, self.tokenizer),
        )


async def play(
    rollouts: Rollouts, label: str, shared_params: Any, tokenizer: Tokenizer, score: Callable[[Call], Awaitable[Any]]
) -> dict[str, Any]:
    """One sample, from its seat in the group to what OpenRLHF gets.

    Args:
        rollouts: What the executors of the process share.
        label: A `Row`.
        shared_params: The group's own sampling parameters.
        tokenizer: The policy's.
        score: Samples into `Call.played`, and returns the reward.
    """
    row = Row.read(label)
    async with rollouts.groups.join(shared_params) as seat:
        played = Played(blank(row.id, label, tokenizer, logprobs=shared_params.logprobs is not None))
        call = Call(rollouts, row, seat, played, tokenizer, shared_params)
        await rollouts.guarded(played, lambda: score(call))
        return await rollouts.finish(seat, played)
