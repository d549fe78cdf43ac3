"""Supervised fine-tuning on (state, action): the loss is on the action alone.

Owns: the order of the examples, the step, the loop. Does not own: how text becomes tokens, checkpoints (`checkpoint.py`).
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


@dataclass(frozen=True)
class SftConfig:
    """Settings of a run.

    Attributes:
        epochs: Passes over the examples. 3 taught SmolLM2 the format from 80 examples.
        batch_size: Examples per update.
        seed: Of the order.
    """

    epochs: int = 3
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ConfigError(f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}")


OnStep = Callable[[int, int, dict[str, float]], None]


def sft_batches(count: int, config: SftConfig) -> list[list[int]]:
    """Which examples (indices below `count`) each update takes, over all epochs; a pure function of its arguments."""
    batches: list[list[int]] = []
    for epoch in range(config.epochs):
        order = np.random.Generator(np.random.Philox(key=config.seed, counter=[0, 0, 0, epoch])).permutation(count)
        batches += [order[at : at + config.batch_size].tolist() for at in range(0, count, config.batch_size)]
    return batches


def sft_step(policy: Policy, optimizer: PolicyOptimizer, batch: Sequence[SftExample]) -> dict[str, float]:
    """One update on a batch; the loss is the mean of -log p over all action tokens of the batch.

    Examples go through the model one by one: no padding is computed, and memory is that of the longest.

    Returns:
        loss (nats per action token, before the update), tokens (of actions), grad_norm, lr.

    Raises:
        InputError: An empty batch, or an example without state or action.
        PolicyFailed: The gradient is not finite.
    """
    if not batch:
        raise InputError("batch must hold at least one example, got none")
    tokens = sum(len(example.action_ids) for example in batch)
    total = 0.0
    for example in batch:
        span = Span([*example.state_ids, *example.action_ids], len(example.state_ids))
        loss = -score_tree(policy, [span]).logprobs.sum() / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    lr = optimizer.lr
    return {"loss": total, "tokens": float(tokens), "grad_norm": optimizer.step(), "lr": lr}


def train_sft(
    policy: Policy,
    optimizer: PolicyOptimizer,
    examples: Sequence[SftExample],
    config: SftConfig,
    *,
    start_step: int = 0,
    on_step: OnStep | None = None,
) -> dict[str, float]:
    """Run all updates from `start_step` on.

    Args:
        policy: Trained in place.
        optimizer: Of this policy.
        examples: The expert's turns.
        config: Settings.
        start_step: Updates already done (a resumed run); their batches are passed over.
        on_step: Called after each update with (updates done, updates in all, metrics): for progress and checkpoints.

    Returns:
        The metrics of the last update; empty when there was nothing left to do.
    """
    batches = sft_batches(len(examples), config)
    metrics: dict[str, float] = {}
    for step in range(start_step, len(batches)):
        metrics = sft_step(policy, optimizer, [examples[index] for index in batches[step]])
        if on_step is not None:
            on_step(step + 1, len(batches), metrics)
    return metrics
