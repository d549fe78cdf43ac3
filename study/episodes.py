"""End-to-end RL: GRPO over whole episodes, as small as it can be.

Owns: groups of episodes of one task, and the update from their outcomes. Does not own: the loss
(`trainer/learn/losses`), sampling, the tasks, nor playing for evaluation (`trainer/episodes`).

All actions of an episode share its advantage, that of the task's outcome within the group. Each action is trained at
the very token ids at which it was sampled: the rendered conversation before it, and its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pivotgym.core.errors import InputError, PivotGymError, TooLarge
from pivotgym.core.messages import Message, Tool
from pivotgym.core.trajectory import Sampling
from pivotgym.servers.client import Client, Session
from pivotgym.study.config import EpisodeSettings
from pivotgym.trainer.engine import LocalEngine, Query
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer
from pivotgym.trainer.learn.losses import action_ids, group_advantages, has_signal, policy_loss
from pivotgym.trainer.policy import Scored, Span, score_tree
from pivotgym.trainer.scoring import FailureGuard, sendable

OnStep = Callable[[int, int, dict[str, float]], None]


@dataclass
class Episode:
    """One run of a task.

    Attributes:
        spans: State and action of each turn, as token ids.
        outcome: What the task paid; `None` for a failure of ours, which masks the episode.
    """

    task_id: str
    spans: list[Span] = field(default_factory=list)
    outcome: float | None = 0.0


@dataclass
class _Live:
    episode: Episode
    session: Session
    name: str
    info: dict[str, Any]


def train_episodes(
    task_ids: Sequence[str],
    engine: LocalEngine,
    client: Client,
    settings: EpisodeSettings,
    *,
    seed: int,
    max_steps: int,
    on_step: OnStep | None = None,
) -> list[dict[str, float]]:
    """Train until the turns are used up.

    Args:
        task_ids: Tasks that the server offers.
        engine: Holds the policy, which is changed in place.
        client: Of the environment server.
        settings: See `EpisodeSettings`.
        seed: Of the order of tasks and of the draws.
        max_steps: Actions after which an episode is cut and pays 0.
        on_step: Called with (turns used, turns in all, metrics) after each update.

    Returns:
        The metrics of each update: step, turns, reward_mean, zero_variance_share, loss, grad_norm.

    Raises:
        InputError: If there is no task.
        VerifierFailed: When too many episodes failed on our side.
    """
    if not task_ids:
        raise InputError("task_ids: expected at least one task to train on, got none")
    optimizer = PolicyOptimizer(engine.policy, OptimConfig(lr=settings.lr))
    player = _Player(engine, client, settings, max_steps, FailureGuard())
    log: list[dict[str, float]] = []
    turns = 0
    while turns < settings.turns:
        groups = player.play(_batch(task_ids, settings.tasks_per_step, len(log), seed), seed * 1_000_003 + len(log))
        turns += sum(len(episode.spans) for group in groups for episode in group)
        log.append({"step": len(log) + 1, "turns": turns, **update(engine, optimizer, groups, settings.temperature)})
        if on_step is not None:
            on_step(turns, settings.turns, log[-1])
    return log


def _batch(task_ids: Sequence[str], size: int, step: int, seed: int) -> list[str]:
    """The tasks of a step: epochs of shuffled tasks."""
    chosen = []
    for place in range(step * size, (step + 1) * size):
        epoch, index = divmod(place, len(task_ids))
        order = sorted(task_ids)
        random.Random(f"{seed}:{epoch}").shuffle(order)
        chosen.append(order[index])
    return chosen


def update(
    engine: LocalEngine, optimizer: PolicyOptimizer, groups: Sequence[Sequence[Episode]], temperature: float
) -> dict[str, float]:
    """One GRPO update: the loss is the mean over all sampled tokens, of groups without signal too."""
    kept = [[episode for episode in group if episode.outcome is not None and episode.spans] for group in groups]
    outcomes = [[episode.outcome for episode in group] for group in kept]
    tokens = sum(len(span.ids) - span.start for group in kept for episode in group for span in episode.spans)
    signal = [has_signal(row) for row in outcomes]
    loss = 0.0
    for group, row, trains in zip(kept, outcomes, signal, strict=True):
        if not trains:
            continue
        spans = [span for episode in group for span in episode.spans]
        shares = zip(group_advantages(row), group, strict=True)
        advantages = [share for share, episode in shares for _ in episode.spans]
        scored = score_tree(engine.policy, spans, temperature)
        actions = action_ids(scored.lengths, scored.logprobs.device)
        weights = torch.tensor(advantages, dtype=torch.float32, device=scored.logprobs.device)[actions]
        part = _loss(scored, weights, actions) / tokens
        part.backward()  # type: ignore[no-untyped-call]
        loss += float(part.detach())
    norm = optimizer.step() if any(signal) else 0.0
    engine.weights_changed()
    known = [outcome for row in outcomes for outcome in row if outcome is not None]
    return {
        "reward_mean": sum(known) / len(known) if known else 0.0,
        "zero_variance_share": 1 - sum(signal) / len(signal),
        "loss": loss,
        "grad_norm": norm,
    }


def _loss(scored: Scored, advantages: Tensor, actions: Tensor) -> Tensor:
    """Sum over tokens. One update per batch of samples: the ratio is 1 and the clip, GRPO's own, inert."""
    old = scored.logprobs.detach()
    return policy_loss(scored.logprobs, old, advantages, actions, clip_low=0.2, clip_high=0.28).loss.sum()


@dataclass(frozen=True)
class _Player:
    engine: LocalEngine
    client: Client
    settings: EpisodeSettings
    max_steps: int
    guard: FailureGuard

    def play(self, task_ids: Sequence[str], seed: int) -> list[list[Episode]]:
        """A group of episodes of each task, all side by side."""
        groups = [[Episode(task) for _ in range(self.settings.group_size)] for task in task_ids]
        with ExitStack() as sessions:
            live = [
                one
                for place, group in enumerate(groups)
                for number, episode in enumerate(group)
                if (one := self._opened(episode, f"{place}:{number}", sessions)) is not None
            ]
            for step in range(self.max_steps):
                live = self._advance(live, step, seed)
                if not live:
                    break
        return groups

    def _opened(self, episode: Episode, name: str, sessions: ExitStack) -> _Live | None:
        try:
            session = self.client.session(task_id=episode.task_id)
        except PivotGymError as failure:
            self._failed(episode, failure)
            return None
        sessions.callback(session.close)
        return _Live(episode, session, name, session.info)

    def _advance(self, live: Sequence[_Live], step: int, seed: int) -> list[_Live]:
        """One action in each run; the runs that go on."""
        limit = self.engine.policy.context_length - self.settings.max_new_tokens
        queries, states, fits = [], [], []
        for one in live:
            messages = [Message.model_validate(message) for message in one.info["messages"]]
            tools = [Tool.model_validate(tool) for tool in one.session.info["tools"]]
            ids = self.engine.state_ids(messages, tools)
            if len(ids) <= limit:
                queries.append(Query(f"{one.name}:{step}", messages, tools, (self.settings.temperature,)))
                states.append(ids)
                fits.append(one)
        sampling = Sampling(max_new_tokens=self.settings.max_new_tokens, seed=seed)
        sampled = self.engine.sample(queries, sampling) if queries else []
        going = []
        for one, ids, (drawn,) in zip(fits, states, sampled, strict=True):
            one.episode.spans.append(Span([*ids, *drawn.token_ids], len(ids)))
            try:
                if isinstance(drawn.action, PivotGymError):
                    raise drawn.action
                result = one.session.step(sendable(drawn.action))
            except TooLarge:
                continue
            except PivotGymError as failure:
                self._failed(one.episode, failure)
                continue
            one.info = result.info
            if result.terminated:
                one.episode.outcome = result.reward
                self.guard.scored += 1
            elif not result.truncated:
                going.append(one)
        return going

    def _failed(self, episode: Episode, failure: PivotGymError) -> None:
        self.guard.reward(failure)
        episode.outcome = None
