"""A policy plays whole tasks -> their own outcomes.

Owns: the conversation between engine and environment, when a run is cut, the file of runs (one line per task and arm,
resumable). Does not own: sampling, outcomes (the environment server), nor single actions at pivots
(`trainer/evaluation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pivotgym.core.errors import DigestMismatch, PivotGymError, TooLarge
from pivotgym.core.jsonl import Appender, read_records
from pivotgym.core.messages import Malformed, Message, Tool
from pivotgym.core.trajectory import Record, Sampling
from pivotgym.servers.client import Client, Session
from pivotgym.trainer.engine import PolicyEngine, Query, SampledAction, batch_size, chunks
from pivotgym.trainer.scoring import FailureGuard, sendable
from pivotgym.trainer.settings import EvalConfig


class EpisodeRow(Record):
    """One run of a policy on a task.

    Attributes:
        arm: The policy's name in reports.
        policy: Fingerprint of its weights.
        outcome: What the task paid, in [0, 1]; 0 for a run that was cut.
        end: `ended` by the policy or its task; `cut` at a limit of steps; `too long` for the policy's context.
        steps: Actions taken.
        invalid: How many of them were cut or could not be read.
        tokens: How many tokens were sampled.
        messages: The whole conversation.
    """

    arm: str
    task_id: str
    policy: str
    outcome: float
    end: Literal["ended", "cut", "too long"]
    steps: int
    invalid: int
    tokens: int
    messages: list[Message]


@dataclass
class _Run:
    """A run in progress."""

    task_id: str
    session: Session
    messages: list[Message]
    tools: list[Tool]
    steps: int = 0
    invalid: int = 0
    tokens: int = 0
    outcome: float = 0.0
    end: Literal["ended", "cut", "too long", "failed"] | None = None

    def row(self, arm: str, policy: str) -> EpisodeRow:
        """The record of a run that has ended."""
        told = {name: value for name, value in vars(self).items() if name in EpisodeRow.model_fields}
        return EpisodeRow(arm=arm, policy=policy, **told)


def play(
    task_ids: Sequence[str],
    engine: PolicyEngine,
    client: Client,
    out: str | Path,
    config: EvalConfig,
    *,
    arm: str,
    max_prompt_tokens: int,
    guard: FailureGuard | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[EpisodeRow]:
    """Play each task once, appending to `out`; runs found there are not made again, nor are failures of ours written.

    Args:
        task_ids: Tasks that the server offers.
        engine: The policy.
        client: Of the environment server.
        out: JSON Lines of `EpisodeRow`.
        config: Sampling parameters, limits of a run and of a step, how many tasks are played side by side.
        arm: The name of this policy.
        max_prompt_tokens: A state that is longer ends the run.
        guard: Stops everything when too many runs fail.
        on_progress: Called with (done, total).

    Returns:
        The arm's rows of these tasks, as far as they could be played.

    Raises:
        DigestMismatch: If `out` holds rows of this arm for another policy.
        NotFound: If the server has no such task.
    """
    player = _Player(engine, client, config, max_prompt_tokens, guard or FailureGuard())
    found = {row.task_id for row in _check(out, engine, arm)}
    todo = [task_id for task_id in task_ids if task_id not in found]
    finished = len(task_ids) - len(todo)
    with Appender(out) as file:
        for chunk in chunks(todo, batch_size(engine, config.batch)):
            with ExitStack() as sessions:
                live = player.opened(chunk, sessions)
                while live:
                    player.advance(live)
                    ended = [run for run in live if run.end not in (None, "failed")]
                    file.append(*(run.row(arm, engine.policy_id) for run in ended))
                    live = [run for run in live if run.end is None]
            finished += len(chunk)
            if on_progress is not None:
                on_progress(finished, len(task_ids))
    return [row for row in _check(out, engine, arm) if row.task_id in set(task_ids)]


@dataclass(frozen=True)
class _Player:
    """What runs are played with."""

    engine: PolicyEngine
    client: Client
    config: EvalConfig
    max_prompt_tokens: int
    guard: FailureGuard

    def opened(self, task_ids: Sequence[str], sessions: ExitStack) -> list[_Run]:
        """Runs at their tasks' starts; those whose environment fails are left out and counted."""
        runs = []
        for task_id in task_ids:
            try:
                session = self.client.session(task_id=task_id, timeout_s=self.config.step_timeout_s)
            except PivotGymError as failure:
                self.guard.reward(failure)
                continue
            sessions.callback(session.close)
            tools = [Tool.model_validate(tool) for tool in session.info["tools"]]
            runs.append(_Run(task_id, session, _messages(session.info), tools))
        return runs

    def advance(self, runs: Sequence[_Run]) -> None:
        """Take one step in each run."""
        fits = []
        for run in runs:
            if self.engine.prompt_tokens(run.messages, run.tools) > self.max_prompt_tokens:
                run.end = "too long"
            else:
                fits.append(run)
        config = self.config
        sampling = Sampling(top_p=config.top_p, max_new_tokens=config.max_new_tokens, seed=config.seed)
        asked = [Query(f"{run.task_id}:{run.steps}", run.messages, run.tools, (config.temperature,)) for run in fits]
        for run, (sampled,) in zip(fits, self.engine.sample(asked, sampling) if asked else [], strict=True):
            self._step(run, sampled)

    def _step(self, run: _Run, sampled: SampledAction) -> None:
        run.tokens += sampled.sampled_tokens
        if isinstance(sampled.action, TooLarge):
            run.end = "too long"
            return
        try:
            if isinstance(sampled.action, PivotGymError):
                raise sampled.action
            result = run.session.step(sendable(sampled.action), timeout_s=self.config.step_timeout_s)
        except PivotGymError as failure:
            self.guard.reward(failure)
            run.end = "failed"
            return
        run.steps += 1
        run.invalid += isinstance(sampled.action, Malformed) or sampled.truncated
        run.messages = _messages(result.info)
        if result.terminated or result.truncated or run.steps == self.config.max_steps:
            run.end, run.outcome = ("ended" if result.terminated else "cut"), result.reward
            self.guard.scored += 1


def _messages(info: dict[str, Any]) -> list[Message]:
    return [Message.model_validate(message) for message in info["messages"]]


def _check(out: str | Path, engine: PolicyEngine, arm: str) -> list[EpisodeRow]:
    """The arm's rows that a file holds."""
    if not Path(out).exists():
        return []
    Appender(out).close()
    rows = [row for row in read_records(out, EpisodeRow) if row.arm == arm]
    for row in rows:
        if row.policy != engine.policy_id:
            raise DigestMismatch(
                f"{out}: the run of {row.task_id!r} in arm {arm!r} was made by another policy",
                hint="play into a new file, or remove this one",
            )
    return rows
