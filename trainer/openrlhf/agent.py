"""The agent file: what OpenRLHF loads into each of its sampling processes (`--train.agent_func_path`).

Owns: the two executors, and which of them this run uses. Does not own: what happens to a sample (`rollouts`), sessions
turn by turn (`episode`), tokenising, sampling and log-probabilities, which stay OpenRLHF's.
"""

from __future__ import annotations

import os
from copy import copy
from typing import Any

import torch
from openrlhf.utils.agent import AgentExecutorBase, SingleTurnAgentExecutor

from pivotgym.core.errors import PolicyFailed
from pivotgym.trainer.openrlhf.episode import play_episode
from pivotgym.trainer.openrlhf.rollouts import Played, Rollouts, Tokenizer, blank, draw_seed
from pivotgym.trainer.openrlhf.rows import Row
from pivotgym.trainer.openrlhf.settings import AGENT_ENV, AgentSettings, read_settings


class StateIds:
    """Stands where OpenRLHF's executor expects a tokenizer, and gives a state's ids as they were made once."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = ids

    def __call__(self, text: str, add_special_tokens: bool, return_tensors: str) -> dict[str, torch.Tensor]:
        """The state's ids, shape [1, tokens], whatever the text."""
        return {"input_ids": torch.tensor([self._ids])}


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


class PivotExecutor(SingleTurnAgentExecutor):  # type: ignore[misc]
    """One action at a pivot: OpenRLHF's own single turn, and the environment's verdict."""

    def __init__(self, settings: AgentSettings | None = None) -> None:
        super().__init__(remote_rm_url=None)
        self.rollouts = Rollouts(settings or read_settings())

    async def execute(
        self,
        prompt: str,
        label: str,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        images: Any = None,
    ) -> dict[str, Any]:
        """See OpenRLHF's `AgentExecutorBase`; `label` is a `Row`."""
        row, rollouts = Row.read(label), self.rollouts
        async with rollouts.groups.join(sampling_params) as seat:
            logprobs = sampling_params.logprobs is not None
            played = Played(blank(row.id, label, hf_tokenizer, logprobs=logprobs))

            async def score() -> float:
                ids = await rollouts.state(row.id, hf_tokenizer)
                params = own_params(
                    sampling_params,
                    seed=draw_seed(rollouts.settings.seed, row.place, seat.number),
                    max_new_tokens=rollouts.settings.max_new_tokens,
                    stop_ids=stop_ids(rollouts, hf_tokenizer),
                )
                drawn = await super(PivotExecutor, self).execute(
                    row.id, label, params, max_length, StateIds(ids), llm_engine
                )
                played.output = drawn
                start, end = drawn["action_ranges"][-1]
                if start == end:
                    raise PolicyFailed(f"pivot {row.id!r}: the engine returned no token")
                action = rollouts.read(
                    drawn["observation_tokens"][start:end], stopped=not drawn["truncated"], tokenizer=hf_tokenizer
                )
                return await rollouts.timed(played, rollouts.reward(seat, row.id, action))

            await rollouts.guarded(played, score)
            return await rollouts.finish(seat, played)


class EpisodeExecutor(AgentExecutorBase):  # type: ignore[misc]
    """A session from the start of a task, or from a pivot, to its end."""

    def __init__(self, settings: AgentSettings | None = None) -> None:
        self.rollouts = Rollouts(settings or read_settings())

    async def execute(
        self,
        prompt: str,
        label: str,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        images: Any = None,
    ) -> dict[str, Any]:
        """See OpenRLHF's `AgentExecutorBase`; `label` is a `Row`."""
        row, rollouts = Row.read(label), self.rollouts
        async with rollouts.groups.join(sampling_params) as seat:
            logprobs = sampling_params.logprobs is not None
            played = Played(blank(row.id, label, hf_tokenizer, logprobs=logprobs))

            async def sample(ids: list[int], turn: int) -> Any:
                params = own_params(
                    sampling_params,
                    seed=draw_seed(rollouts.settings.seed, row.place, seat.number, turn),
                    max_new_tokens=rollouts.settings.max_new_tokens,
                    stop_ids=stop_ids(rollouts, hf_tokenizer),
                )
                return (await llm_engine.generate(ids, params)).outputs[0]

            await rollouts.guarded(played, lambda: play_episode(rollouts, row, played, sample, hf_tokenizer))
            return await rollouts.finish(seat, played)


def chosen() -> type[AgentExecutorBase]:
    """The executor of this run's horizon."""
    return EpisodeExecutor if read_settings().horizon == "episode" else PivotExecutor


if AGENT_ENV in os.environ:
    # OpenRLHF looks for a class of this name and calls it without arguments.
    AgentExecutor = chosen()
