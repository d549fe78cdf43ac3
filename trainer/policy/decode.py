"""Decoding a batch of states, each with several branches, over one copy of each state's keys and values.

Owns: the prefill and the token loop. Does not own: which states share a batch (`sampling.py`), how a token is drawn
(`draw.py`), attention (`attention.py`).

One row per state. A decode step feeds the last token of each live branch as one query position of its state's row, and
appends one column of keys per query. `owner` says whose column it is (everybody's, one branch's, nobody's), and the
mask is read off it: so a finished branch simply stops being fed, and no key is ever copied to another branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pivotgym.trainer.policy.attention import SlabCache, additive, tree_attention
from pivotgym.trainer.policy.draw import draw, uniforms

if TYPE_CHECKING:
    from pivotgym.trainer.policy.model import Policy
    from pivotgym.trainer.policy.sampling import SamplingParams, StateRequest

_EVERYBODY, _NOBODY = -1, -2


@dataclass
class Sample:
    """One sampled action.

    Attributes:
        token_ids: What was sampled, with the stop token when there was one.
        logprobs: Natural logarithm of each token's probability at `temperature` over the whole vocabulary (no top-p);
            0 for temperature 0.
        finish_reason: "stop", or "length" when it was cut at the token limit or the end of the context.
        temperature: What it was sampled at.
    """

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] = "length"
    temperature: float = 1.0


@dataclass
class _Row:
    """One state's live part: what it still has to say."""

    length: int
    limit: int
    samples: list[Sample]
    temperatures: Tensor
    numbers: Tensor
    live: list[int]


class BatchDecoder:
    """Samples all branches of a few states of similar length.

    Args:
        policy: The model.
        requests: The states.
        params: Limits and stop tokens.
        seed: Of the draws.
    """

    def __init__(self, policy: Policy, requests: Sequence[StateRequest], params: SamplingParams, seed: int) -> None:
        self.policy = policy
        self.stop = frozenset(params.stop_token_ids)
        self.top_p = params.top_p
        self.requests = requests
        self.rows = [_row(policy, request, params, seed) for request in requests]
        width = max(row.length for row in self.rows)
        branches = max(len(row.samples) for row in self.rows)
        layers = int(policy.model.config.num_hidden_layers)
        self.cache = SlabCache(layers, width + branches * max(row.limit for row in self.rows))
        lengths = torch.tensor([row.length for row in self.rows])
        real = torch.arange(width)[None] < lengths[:, None]
        self.owner = torch.where(real, _EVERYBODY, _NOBODY)

    @torch.inference_mode()
    def run(self) -> list[list[Sample]]:
        """Sample until every branch has stopped or reached its limit.

        Returns:
            The samples of each state, in the order of its temperatures.
        """
        samples = [row.samples for row in self.rows]
        with tree_attention(self.policy.model):
            hidden = self._prefill()
            where = [(at, branch) for at, row in enumerate(self.rows) for branch in row.live]
            self._draw(hidden[[at for at, _ in where]], where)
            while self._drop_finished():
                hidden, where = self._step()
                self._draw(hidden, where)
        return samples

    def _prefill(self) -> Tensor:
        width = self.owner.shape[1]
        ids = torch.zeros(len(self.rows), width, dtype=torch.long)
        for at, request in enumerate(self.requests):
            ids[at, : len(request.token_ids)] = torch.tensor(request.token_ids)
        # States stand at the left, so causal attention alone keeps the padding after them out of sight.
        hidden = self._forward(ids, torch.arange(width)[None], None)
        last = torch.tensor([row.length - 1 for row in self.rows], device=hidden.device)
        return hidden[torch.arange(len(self.rows), device=hidden.device), last]

    def _step(self) -> tuple[Tensor, list[tuple[int, int]]]:
        queries = max(len(row.live) for row in self.rows)
        ids = torch.zeros(len(self.rows), queries, dtype=torch.long)
        positions = torch.zeros_like(ids)
        branch_of = torch.full_like(ids, _NOBODY)
        where: list[tuple[int, int]] = []
        flat: list[int] = []
        for at, row in enumerate(self.rows):
            for slot, branch in enumerate(row.live):
                said = row.samples[branch].token_ids
                ids[at, slot], positions[at, slot] = said[-1], row.length + len(said) - 1
                branch_of[at, slot] = branch
                where.append((at, branch))
                flat.append(at * queries + slot)
        self.owner = torch.cat((self.owner, branch_of), dim=1)
        seen = (self.owner == _EVERYBODY)[:, None] | (self.owner[:, None] == branch_of[:, :, None])
        mask = additive(seen.to(self.policy.device), self.policy.dtype)[:, None]
        hidden = self._forward(ids, positions, mask)
        return hidden.flatten(0, 1)[flat], where

    def _forward(self, ids: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        device = self.policy.device
        output = self.policy.model.base_model(
            input_ids=ids.to(device),
            position_ids=positions.to(device),
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=True,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _draw(self, hidden: Tensor, where: list[tuple[int, int]]) -> None:
        pairs = [(self.rows[at], branch) for at, branch in where]
        temperatures = torch.stack([row.temperatures[branch] for row, branch in pairs])
        numbers = torch.stack([row.numbers[branch, len(row.samples[branch].token_ids)] for row, branch in pairs])
        device = hidden.device
        tokens, logprobs = draw(hidden @ self.policy.head.T, temperatures.to(device), numbers.to(device), self.top_p)
        for (row, branch), token, logprob in zip(pairs, tokens.tolist(), logprobs.tolist(), strict=True):
            sample = row.samples[branch]
            sample.token_ids.append(token)
            sample.logprobs.append(logprob)
            if token in self.stop:
                sample.finish_reason = "stop"
            if token in self.stop or len(sample.token_ids) == row.limit:
                row.live.remove(branch)

    def _drop_finished(self) -> bool:
        keep = [at for at, row in enumerate(self.rows) if row.live]
        if keep and len(keep) < len(self.rows):
            self.cache.keep_rows(torch.tensor(keep, device=self.policy.device))
            self.owner = self.owner[keep]
            self.rows = [self.rows[at] for at in keep]
        return bool(keep)


def _row(policy: Policy, request: StateRequest, params: SamplingParams, seed: int) -> _Row:
    length = len(request.token_ids)
    limit = min(params.max_new_tokens, policy.context_length - length)
    branches = range(len(request.temperatures))
    numbers = [torch.from_numpy(uniforms(seed, request.key, request.first_branch + j, limit)) for j in branches]
    return _Row(
        length=length,
        limit=limit,
        samples=[Sample(temperature=temperature) for temperature in request.temperatures],
        temperatures=torch.tensor(request.temperatures, dtype=torch.float32),
        numbers=torch.stack(numbers),
        live=list(branches),
    )
