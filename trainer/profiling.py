"""Candidates -> profiled candidates: K actions sampled at each state with the frozen reference policy, and scored.

Owns: the profile file, which resumes after a kill with nothing lost and nothing sampled twice. Does not own: sampling
(`trainer/engine`), rewards (`trainer/scoring`), the filter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pivotgym.core.errors import DigestMismatch, InputError
from pivotgym.core.jsonl import Appender, read_records
from pivotgym.core.trajectory import Pivot, Profile
from pivotgym.trainer.engine import PolicyEngine, Query, SampledAction
from pivotgym.trainer.scoring import FailureGuard, Scorer, rewards_of
from pivotgym.trainer.settings import ProfileConfig


@dataclass(frozen=True)
class ProfileReport:
    """How many candidates were profiled now, found done, and what it cost."""

    profiled: int
    resumed: int
    failed_samples: int
    sampled_tokens: int


def profile(
    candidates: Sequence[Pivot],
    engine: PolicyEngine,
    scorer: Scorer,
    out: str | Path,
    config: ProfileConfig,
    *,
    guard: FailureGuard | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ProfileReport:
    """Profile candidates into `out` (JSON Lines of pivots with profiles), appending to what is there.

    Args:
        candidates: Unique by id.
        engine: The frozen reference policy.
        scorer: Scores actions.
        out: The file; a candidate found in it is not sampled again.
        config: Sampling parameters.
        guard: Stops the run when too many verdicts fail.
        on_progress: Called with (done, total).

    Raises:
        InputError: If two candidates share an id.
        DigestMismatch: If `out` holds a profile of another pivot, policy, format or sampling.
    """
    if len({pivot.id for pivot in candidates}) != len(candidates):
        raise InputError("candidates: expected unique ids, got a repeated one")
    guard = guard or FailureGuard()
    done = _already(Path(out), candidates, engine, config)
    todo = [pivot for pivot in candidates if pivot.id not in done]
    tokens = 0
    finished = len(done)
    with Appender(out) as file:
        for start in range(0, len(todo), config.batch):
            chunk = todo[start : start + config.batch]
            sampled = engine.sample(
                [Query.of(pivot, (config.temperature,) * config.k) for pivot in chunk], config.sampling
            )
            for pivot, made in zip(chunk, _profiles(chunk, sampled, engine, scorer, config, guard), strict=True):
                file.append(pivot.with_profile(made))
            tokens += sum(len(action.token_ids) for actions in sampled for action in actions)
            finished += len(chunk)
            if on_progress is not None:
                on_progress(finished, len(candidates))
    return ProfileReport(len(todo), len(done), guard.failed, tokens)


def _profiles(
    pivots: list[Pivot],
    sampled: list[list[SampledAction]],
    engine: PolicyEngine,
    scorer: Scorer,
    config: ProfileConfig,
    guard: FailureGuard,
) -> list[Profile]:
    groups = [(pivot, [sample.action for sample in samples]) for pivot, samples in zip(pivots, sampled, strict=True)]
    return [
        Profile(
            pivot_digest=pivot.digest,
            rewards=tuple(rewards),
            policy=engine.policy_id,
            format=engine.format_id,
            sampling=config.sampling,
        )
        for pivot, rewards in zip(pivots, rewards_of(scorer, groups, guard), strict=True)
    ]


def _already(path: Path, candidates: Sequence[Pivot], engine: PolicyEngine, config: ProfileConfig) -> set[str]:
    if not path.exists():
        return set()
    Appender(path).close()
    digests = {pivot.id: pivot.digest for pivot in candidates}
    done: set[str] = set()
    for pivot in read_records(path, Pivot):
        if pivot.id not in digests or pivot.profile is None:
            continue
        expected = (digests[pivot.id], engine.policy_id, engine.format_id, config.sampling)
        found = (pivot.digest, pivot.profile.policy, pivot.profile.format, pivot.profile.sampling)
        if expected != found:
            names = ("pivot", "policy", "format", "sampling")
            odd = [name for name, want, got in zip(names, expected, found, strict=True) if want != got]
            raise DigestMismatch(
                f"{path}: the profile of {pivot.id!r} was made for another {', '.join(odd)}",
                hint="profile into a new file, or remove this one",
            )
        done.add(pivot.id)
    return done
