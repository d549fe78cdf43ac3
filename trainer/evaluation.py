"""Held-out pivots -> rewards of a policy, with intervals.

Owns: the evaluation file (one line per pivot and arm, resumable) and its summary. Does not own: sampling, rewards, or
how arms are compared in a report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from pivotgym.core.errors import DigestMismatch
from pivotgym.core.jsonl import Appender, read_records
from pivotgym.core.messages import Malformed
from pivotgym.core.trajectory import Pivot, Record, Sampling
from pivotgym.trainer.engine import PolicyEngine, Query, SampledAction, batch_size, chunks
from pivotgym.trainer.scoring import FailureGuard, Sampled, Scorer, rewards_of
from pivotgym.trainer.settings import EvalConfig
from pivotgym.trainer.stats import Clusters


class EvalRow(Record):
    """The rewards of one arm at one pivot.

    Attributes:
        arm: Which policy, at which temperature.
        pivot_digest: The pivot this was made for.
        executable: Whether the pivot's verdicts come from execution.
        rewards: `None` for an infrastructure error.
        invalid: How many actions were cut or could not be read.
    """

    arm: str
    pivot_id: str
    pivot_digest: str
    trajectory_id: str
    executable: bool
    policy: str
    temperature: float
    rewards: list[float | None]
    invalid: int = 0


def evaluate(
    pivots: Sequence[Pivot],
    engine: PolicyEngine,
    scorer: Scorer,
    out: str | Path,
    config: EvalConfig,
    *,
    arm: str,
    guard: FailureGuard | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[EvalRow]:
    """Sample and score actions at held-out pivots, appending to `out`; rows found there are not made again.

    A pivot none of whose samples could be scored gets no row, so that the next run makes it again.

    Args:
        pivots: Held-out pivots.
        engine: The policy.
        scorer: Scores actions.
        out: JSON Lines of `EvalRow`; the control's arm is named `{arm}@low`.
        config: Sampling parameters.
        arm: The name of this policy.
        guard: Stops the run when too many verdicts fail.
        on_progress: Called with (done, total).

    Raises:
        DigestMismatch: If `out` holds rows of this arm for another policy or pivot.
    """
    guard = guard or FailureGuard()
    found = {row.pivot_id for row in _check(out, pivots, engine, arm)}
    todo = [pivot for pivot in pivots if pivot.id not in found]
    finished = len(pivots) - len(todo)
    temperatures = (config.temperature,) * config.samples + (config.low_temperature,) * config.low_samples
    sampling = Sampling(top_p=config.top_p, max_new_tokens=config.max_new_tokens, seed=config.seed)
    with Appender(out) as file:
        for chunk in chunks(todo, batch_size(engine, config.batch)):

            def finish(sampled: dict[int, list[SampledAction]], chunk: Sequence[Pivot] = chunk) -> None:
                nonlocal finished
                acted = [(chunk[index], [item.action for item in sampled[index]]) for index in sorted(sampled)]
                for (pivot, actions), rewards in zip(acted, rewards_of(scorer, acted, guard), strict=True):
                    if any(reward is not None for reward in rewards):
                        file.append(*_rows(pivot, actions, rewards, engine.policy_id, config, arm))
                finished += len(acted)
                if on_progress is not None:
                    on_progress(finished, len(pivots))

            engine.sample([Query.of(pivot, temperatures) for pivot in chunk], sampling, on_done=finish)
    return [row for row in read_records(out, EvalRow) if row.arm in (arm, f"{arm}@low")]


def _rows(
    pivot: Pivot, actions: list[Sampled], rewards: list[float | None], policy: str, config: EvalConfig, arm: str
) -> Iterator[EvalRow]:
    parts: list[tuple[str, float, slice]] = []
    if config.low_samples:
        parts.append((f"{arm}@low", config.low_temperature, slice(config.samples, None)))
    # The arm itself comes last: a kill between the two lines repeats the pivot rather than losing its control.
    parts.append((arm, config.temperature, slice(config.samples)))
    for name, temperature, part in parts:
        yield EvalRow(
            arm=name,
            pivot_id=pivot.id,
            pivot_digest=pivot.digest,
            trajectory_id=pivot.trajectory_id,
            executable=bool(pivot.metadata.get("executable", False)),
            policy=policy,
            temperature=temperature,
            rewards=rewards[part],
            invalid=sum(isinstance(item, Malformed) or getattr(item, "truncated", False) for item in actions[part]),
        )


def _check(path: str | Path, pivots: Sequence[Pivot], engine: PolicyEngine, arm: str) -> list[EvalRow]:
    if not Path(path).exists():
        return []
    Appender(path).close()
    digests = {pivot.id: pivot.digest for pivot in pivots}
    rows = [row for row in read_records(path, EvalRow) if row.arm == arm and row.pivot_id in digests]
    for row in rows:
        if row.policy != engine.policy_id or row.pivot_digest != digests[row.pivot_id]:
            odd = "policy" if row.policy != engine.policy_id else "pivot"
            raise DigestMismatch(
                f"{path}: the row of {row.pivot_id!r} in arm {arm!r} was made for another {odd}",
                hint="evaluate into a new file, or remove this one",
            )
    return rows


def clusters(rows: Iterable[EvalRow], arm: str, part: Literal["all", "executed", "not executed"] = "all") -> Clusters:
    """The scored rewards of one arm by trajectory; a pivot evaluated twice (after a kill) counts once."""
    latest = {row.pivot_id: row for row in rows if row.arm == arm}
    by_trajectory: dict[str, list[float]] = defaultdict(list)
    for row in latest.values():
        if part == "all" or row.executable == (part == "executed"):
            by_trajectory[row.trajectory_id].extend(reward for reward in row.rewards if reward is not None)
    return {key: values for key, values in by_trajectory.items() if values}
