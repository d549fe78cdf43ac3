"""Decoding a batch of rows, each with several branches, over one copy of each row's keys and values.

Owns: the prefill and the token loop. Does not own: which states share a row or a batch (`sampling.py`), how a token is
drawn (`draw.py`), attention (`attention.py`).

A row is a token sequence; its branches are samples that go on from the end of it, or from the end of a shorter state
that it begins with. A decode step feeds the last token of each live branch as one query position of its row and appends
one column of keys per query. `owner` says whose column it is, and the mask is read off it: so a finished branch simply
stops being fed, and no key is ever copied to another branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pivotgym.trainer.policy.attention import SlabCache, additive, tree_attention
from pivotgym.trainer.policy.draw import draw

if TYPE_CHECKING:
    from pivotgym.trainer.policy.model import Policy

_NOBODY = -1


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
class Branch:
    """One sample in the making.

    Attributes:
        length: Tokens of its state: it goes on from the row's first `length` tokens.
        numbers: `[limit]` fp64, the uniform number of each token it may have.
        sample: What it has said so far.
    """

    length: int
    numbers: Tensor
    sample: Sample

    @property
    def said(self) -> int:
        """How many tokens it has said."""
        return len(self.sample.token_ids)


@dataclass
class Row:
    """A token sequence and the branches that go on from it or from a beginning of it."""

    token_ids: Sequence[int]
    branches: list[Branch]


class BatchDecoder:
    """Samples all branches of a few rows of similar length.

    Args:
        policy: The model.
        rows: Every row with at least one branch; their samples are filled in place.
        stop_token_ids: Tokens that end a branch.
        top_p: Mass of the nucleus that is drawn from.
    """

    def __init__(self, policy: Policy, rows: Sequence[Row], stop_token_ids: Sequence[int], top_p: float) -> None:
        self.policy = policy
        self.rows = list(rows)
        # Numbers of the live branches of each row; a branch keeps its number when others finish.
        self.live = [list(range(len(row.branches))) for row in rows]
        self.stop = frozenset(stop_token_ids)
        self.top_p = top_p
        self.width = max(len(row.token_ids) for row in rows)
        self.owner = torch.empty(len(rows), 0, dtype=torch.long)
        tail = max(len(row.branches) for row in rows) * max(len(b.numbers) for row in rows for b in row.branches)
        self.cache = SlabCache(int(policy.model.config.num_hidden_layers), self.width + tail)

    @torch.inference_mode()
    def run(self) -> None:
        """Sample until every branch has stopped or reached its limit."""
        with tree_attention(self.policy.model):
            hidden, where = self._prefill()
            self._draw(hidden, where)
            while self._drop_finished():
                hidden, where = self._step()
                self._draw(hidden, where)

    def _prefill(self) -> tuple[Tensor, list[Branch]]:
        ids = torch.zeros(len(self.rows), self.width, dtype=torch.long)
        flat: list[int] = []
        for at, row in enumerate(self.rows):
            ids[at, : len(row.token_ids)] = torch.tensor(row.token_ids)
            flat += [at * self.width + branch.length - 1 for branch in row.branches]
        # Rows stand at the left, so causal attention alone keeps the padding after them out of sight.
        hidden = self._forward(ids, torch.arange(self.width)[None], None)
        return hidden.flatten(0, 1)[flat], [branch for row in self.rows for branch in row.branches]

    def _step(self) -> tuple[Tensor, list[Branch]]:
        queries = max(map(len, self.live))
        ids = torch.zeros(len(self.rows), queries, dtype=torch.long)
        lengths, said = torch.ones_like(ids), torch.ones_like(ids)
        number = torch.full_like(ids, _NOBODY)
        where: list[Branch] = []
        flat: list[int] = []
        for at, (row, live) in enumerate(zip(self.rows, self.live, strict=True)):
            for slot, index in enumerate(live):
                branch = row.branches[index]
                ids[at, slot], number[at, slot] = branch.sample.token_ids[-1], index
                lengths[at, slot], said[at, slot] = branch.length, branch.said
                where.append(branch)
                flat.append(at * queries + slot)
        self.owner = torch.cat((self.owner, number), dim=1)
        in_state = torch.arange(self.width) < lengths[:, :, None]
        own = self.owner[:, None] == number[:, :, None]
        mask = additive(torch.cat((in_state, own), dim=2).to(self.policy.device), self.policy.dtype)[:, None]
        return self._forward(ids, lengths + said - 1, mask).flatten(0, 1)[flat], where

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

    def _draw(self, hidden: Tensor, branches: Sequence[Branch]) -> None:
        device = hidden.device
        temperatures = torch.tensor([branch.sample.temperature for branch in branches], device=device)
        numbers = torch.stack([branch.numbers[branch.said] for branch in branches]).to(device)
        tokens, logprobs = draw(hidden @ self.policy.head.T, temperatures, numbers, self.top_p)
        for branch, token, logprob in zip(branches, tokens.tolist(), logprobs.tolist(), strict=True):
            branch.sample.token_ids.append(token)
            branch.sample.logprobs.append(logprob)
            if token in self.stop:
                branch.sample.finish_reason = "stop"

    def _drop_finished(self) -> bool:
        self.live = [
            [index for index in live if self._goes_on(row.branches[index])]
            for row, live in zip(self.rows, self.live, strict=True)
        ]
        keep = [at for at, live in enumerate(self.live) if live]
        if keep and len(keep) < len(self.rows):
            self.cache.keep_rows(torch.tensor(keep, device=self.policy.device))
            self.owner = self.owner[keep]
            self.rows, self.live = [self.rows[at] for at in keep], [self.live[at] for at in keep]
        return bool(keep)

    def _goes_on(self, branch: Branch) -> bool:
        return branch.sample.finish_reason != "stop" and branch.said < len(branch.numbers)
