"""Supervised fine-tuning on (state, action): the loss is on the action alone.

Owns: the order of the examples, the step, the loop. Does not own: how text becomes tokens, checkpoints
(`checkpoint.py`).

Examples come in groups, the turns of one trajectory: later states begin with earlier ones, so a group is one tree and
its tokens go through the model once, however many turns are trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pivotgym.core.errors import ConfigError, InputError
from pivotgym.trainer.learn.optim import PolicyOptimizer
from pivotgym.trainer.policy import Policy, Span, score_tree


class SftExample(NamedTuple):
    """One expert turn: the state's and the action's token ids (with the token that ends the action)."""

    state_ids: Sequence[int]
    action_ids: Sequence[int]


SftGroup = Sequence[SftExample]
"""The turns of one trajectory."""


@dataclass(frozen=True)
class SftConfig:
    """Settings of a run.

    Attributes:
        epochs: Passes over the examples. 3 taught SmolLM2 the format from 80 examples.
        batch_size: Examples per update at the least; groups are never split, so an update may take some more.
        seed: Of the order.
    """

    epochs: int = 3
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ConfigError(f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}")


OnStep = Callable[[int, int, dict[str, float]], None]


def sft_batches(sizes: Sequence[int], config: SftConfig) -> list[list[int]]:
    """Which groups each update takes, over all epochs; a pure function of its arguments.

    Args:
        sizes: Number of examples of each group.
        config: Settings.
    """
    batches: list[list[int]] = []
    for epoch in range(config.epochs):
        batch: list[int] = []
        examples = 0
        rng = np.random.Generator(np.random.Philox(key=config.seed, counter=[0, 0, 0, epoch]))
        for index in rng.permutation(len(sizes)).tolist():
            batch.append(index)
            examples += sizes[index]
            if examples >= config.batch_size:
                batches.append(batch)
                batch, examples = [], 0
        if batch:
            batches.append(batch)
    return batches


def sft_step(policy: Policy, optimizer: PolicyOptimizer, batch: Sequence[SftGroup]) -> dict[str, float]:
    """One update on a batch of groups; the loss is the mean of -log p over all action tokens of the batch.

    Groups go through the model one by one: no padding is computed, and memory is that of the longest.

    Returns:
        loss (nats per action token, before the update), tokens (of actions), grad_norm, lr.

    Raises:
        InputError: A batch or group without examples, or an example without state or action.
        PolicyFailed: The gradient is not finite.
    """
    if not batch:
        raise InputError("batch must hold at least one group, got none")
    tokens = sum(len(example.action_ids) for group in batch for example in group)
    total = 0.0
    for group in batch:
        spans = [Span([*example.state_ids, *example.action_ids], len(example.state_ids)) for example in group]
        loss = -score_tree(policy, spans).logprobs.sum() / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    lr = optimizer.lr
    return {"loss": total, "tokens": float(tokens), "grad_norm": optimizer.step(), "lr": lr}


def train_sft(
    policy: Policy,
    optimizer: PolicyOptimizer,
    groups: Sequence[SftGroup],
    config: SftConfig,
    *,
    start_step: int = 0,
    on_step: OnStep | None = None,
) -> dict[str, float]:
    """Run all updates from `start_step` on.

    Args:
        policy: Trained in place.
        optimizer: Of this policy.
        groups: The expert's turns, those of one trajectory together.
        config: Settings.
        start_step: Updates already done (a resumed run); their batches are passed over.
        on_step: Called after each update with (updates done, updates in all, metrics): for progress and checkpoints.

    Returns:
        The metrics of the last update; empty when there was nothing left to do.
    """
    batches = sft_batches([len(group) for group in groups], config)
    metrics: dict[str, float] = {}
    for step in range(start_step, len(batches)):
        metrics = sft_step(policy, optimizer, [groups[index] for index in batches[step]])
        if on_step is not None:
            on_step(step + 1, len(batches), metrics)
    return metrics
