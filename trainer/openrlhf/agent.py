"""The agent file: what OpenRLHF loads into each of its sampling processes (`--train.agent_func_path`).

Owns: the two executors, and which of them this run uses. Does not own: what happens to a sample (`rollouts`), sessions
turn by turn (`episode`), tokenising, sampling and log-probabilities, which stay OpenRLHF's.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from openrlhf.utils.agent import AgentExecutorBase, SingleTurnAgentExecutor

from pivotgym.core.errors import PolicyFailed
from pivotgym.trainer.openrlhf.calls import Call, play
from pivotgym.trainer.openrlhf.episode import play_episode
from pivotgym.trainer.openrlhf.rollouts import Rollouts
from pivotgym.trainer.openrlhf.settings import AGENT_ENV, AgentSettings, read_settings


class StateIds:
    """Stands where OpenRLHF's executor expects a tokenizer, and gives a state's ids as they were made once."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = ids

    def __call__(self, text: str, add_special_tokens: bool, return_tensors: str) -> dict[str, torch.Tensor]:
        """The state's ids, shape [1, tokens], whatever the text."""
        return {"input_ids": torch.tensor([self._ids])}


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
        rollouts, single_turn = self.rollouts, super().execute

        async def score(call: Call) -> float:
            ids = await rollouts.state(call.row.id, hf_tokenizer)
            drawn = await single_turn(call.row.id, label, call.params(), max_length, StateIds(ids), llm_engine)
            call.played.output = drawn
            start, end = drawn["action_ranges"][-1]
            if start == end:
                raise PolicyFailed(f"pivot {call.row.id!r}: the engine returned no token")
            action = rollouts.read(
                drawn["observation_tokens"][start:end], stopped=not drawn["truncated"], tokenizer=hf_tokenizer
            )
            return await rollouts.timed(call.played, rollouts.reward(call.seat, call.row.id, action))

        return await play(rollouts, label, sampling_params, hf_tokenizer, score)


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

        async def score(call: Call) -> float | None:
            async def sample(ids: list[int], turn: int) -> Any:
                return (await llm_engine.generate(ids, call.params(turn))).outputs[0]

            return await play_episode(self.rollouts, call.row, call.played, sample, hf_tokenizer)

        return await play(self.rollouts, label, sampling_params, hf_tokenizer, score)


def chosen() -> type[AgentExecutorBase]:
    """The executor of this run's horizon."""
    return EpisodeExecutor if read_settings().horizon == "episode" else PivotExecutor


if AGENT_ENV in os.environ:
    # OpenRLHF looks for a class of this name and calls it without arguments.
    AgentExecutor = chosen()
