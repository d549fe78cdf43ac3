"""Candidates -> profiled candidates: K actions sampled at each state with the frozen reference policy, and scored.

Owns: the profile file, which resumes after a kill with nothing lost and nothing sampled twice, and the actions with
their verdicts beside it. Does not own: sampling (`trainer/engine`), rewards (`trainer/scoring`), the filter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pivotgym.core.errors import DigestMismatch, InputError, PivotGymError, TooLarge
from pivotgym.core.jsonl import Appender, read_records
from pivotgym.core.samples import PivotSamples, Sample, samples_file
from pivotgym.core.trajectory import Pivot, Profile, Verdict
from pivotgym.trainer.background import Behind
from pivotgym.trainer.engine import PolicyEngine, Query, SampledAction, batch_size, chunks
from pivotgym.trainer.scoring import FailureGuard, Sampled, Scored, Scorer, sendable, verdicts_of
from pivotgym.trainer.settings import ProfileConfig


@dataclass
class ProfileReport:
    """What profiling did, and what it cost.

    Attributes:
        profiled: Candidates profiled now.
        resumed: Candidates found done.
        unscored: Candidates left out because none of their samples could be scored; the next run makes them again.
        too_long: Candidates left out because their state is longer than the policy's context.
        all_equal: Candidates profiled now whose samples were all the same; if all are, the server does not sample.
        failed_samples: Samples masked because the engine or the environment failed.
        sampled_tokens: Tokens sampled, as far as the engine counts them.
    """

    profiled: int = 0
    resumed: int = 0
    unscored: int = 0
    too_long: int = 0
    all_equal: int = 0
    failed_samples: int = 0
    sampled_tokens: int = 0


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

    The sampled actions with their verdicts go into a file beside it (`core.samples`).

    Verdicts are asked for on a thread of their own, one batch behind the sampling, which does not wait for them. A
    candidate is written as soon as its actions are scored, so with a server that works at many at once a kill loses
    only those in flight, and the file is in the order in which they were finished.

    Args:
        candidates: Unique by id.
        engine: The frozen reference policy.
        scorer: Scores actions.
        out: The file; a candidate found in it is not sampled again.
        config: Sampling parameters.
        guard: Stops the run when too many samples fail.
        on_progress: Called with (done, total), on the thread of the verdicts.

    Raises:
        InputError: If two candidates share an id.
        DigestMismatch: If `out` holds a profile of another pivot, policy, format or sampling.
    """
    if len({pivot.id for pivot in candidates}) != len(candidates):
        raise InputError("candidates: expected unique ids, got a repeated one")
    done = _already(Path(out), candidates, engine, config)
    todo = [pivot for pivot in candidates if pivot.id not in done]
    report = ProfileReport(resumed=len(done))
    guard = guard or FailureGuard()
    with Appender(out) as file, Appender(samples_file(out)) as kept, Behind(most=1) as behind:
        run = _Run(engine, scorer, file, kept, config, guard, report)

        def score(sampled: list[tuple[Pivot, list[SampledAction]]]) -> None:
            run.write(sampled)
            if on_progress is not None:
                left_out = report.unscored + report.too_long
                on_progress(report.resumed + report.profiled + left_out, len(candidates))

        for chunk in chunks(todo, batch_size(engine, config.batch)):

            def finish(sampled: dict[int, list[SampledAction]], chunk: Sequence[Pivot] = chunk) -> None:
                behind.do(partial(score, [(chunk[index], sampled[index]) for index in sorted(sampled)]))

            temperatures = (config.temperature,) * config.k
            engine.sample([Query.of(pivot, temperatures) for pivot in chunk], config.sampling, on_done=finish)
    report.failed_samples = guard.failed
    return report


@dataclass
class _Run:
    engine: PolicyEngine
    scorer: Scorer
    file: Appender
    kept: Appender
    config: ProfileConfig
    guard: FailureGuard
    report: ProfileReport

    def write(self, sampled: list[tuple[Pivot, list[SampledAction]]]) -> None:
        """Score the actions of some candidates and write their profiles."""
        groups: list[tuple[Pivot, list[Sampled]]] = []
        for pivot, samples in sampled:
            self.report.sampled_tokens += sum(sample.sampled_tokens for sample in samples)
            if any(isinstance(sample.action, TooLarge) for sample in samples):
                self.report.too_long += 1
            else:
                groups.append((pivot, [sample.action for sample in samples]))
        made: list[Pivot] = []
        shown: list[PivotSamples] = []
        for (pivot, actions), scored in zip(groups, verdicts_of(self.scorer, groups), strict=True):
            rewards = [self.guard.reward(result) for result in scored]
            if all(reward is None for reward in rewards):
                self.report.unscored += 1
                continue
            made.append(pivot.with_profile(self._profile(pivot, rewards)))
            shown.append(_samples(pivot, actions, scored))
            self.report.all_equal += len(actions) > 1 and all(action == actions[0] for action in actions)
        if made:
            # Before the profiles: what is in the profile file has its samples, also after a kill between the two.
            self.kept.append(*shown)
            self.file.append(*made)
            self.report.profiled += len(made)

    def _profile(self, pivot: Pivot, rewards: list[float | None]) -> Profile:
        return Profile(
            pivot_digest=pivot.digest,
            rewards=tuple(rewards),
            policy=self.engine.policy_id,
            format=self.engine.format_id,
            sampling=self.config.sampling,
        )


def _samples(pivot: Pivot, actions: Sequence[Sampled], scored: Sequence[Scored]) -> PivotSamples:
    return PivotSamples(
        pivot_id=pivot.id,
        pivot_digest=pivot.digest,
        samples=[
            Sample(
                action=None if isinstance(action, PivotGymError) else sendable(action),
                verdict=result if isinstance(result, Verdict) else None,
                error=result.to_wire() if isinstance(result, PivotGymError) else None,
            )
            for action, result in zip(actions, scored, strict=True)
        ],
    )


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
