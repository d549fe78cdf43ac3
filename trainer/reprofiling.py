"""Re-profiling: a training run that has little left to learn from its pivots gets new ones.

Owns: when a run is saturated, and the files of each renewal. Does not own: profiling (`trainer/profiling`), the filter,
the training loop that asks.

PivotRL filters once, with the policy that training starts from; NVIDIA re-profiled for its largest model whenever
accuracy saturated. A renewal after step 12 is the folder `reprofiled/step-000012`: the candidates' new profiles, the
pivots that the filter keeps, and `report.json`, which is written last. What is due is read from these folders and the
log alone, so a run that is killed meanwhile goes on where it was.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pivotgym.core.errors import InputError
from pivotgym.core.jsonl import atomic, read_records, write_records
from pivotgym.core.trajectory import Pivot
from pivotgym.trainer.engine import PolicyEngine
from pivotgym.trainer.filter import filter_pivots
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.scoring import FailureGuard, Scorer
from pivotgym.trainer.settings import FilterConfig, ProfileConfig, ReprofileSettings


def saturation(rows: Sequence[Mapping[str, float]], settings: ReprofileSettings) -> str | None:
    """Why the steps of the window have little left to learn from, or `None` where they have.

    Args:
        rows: Lines of the log since the pivots were last chosen, in order; the last `settings.window` count.
        settings: The levels.
    """
    if len(rows) < settings.window:
        return None
    last = rows[-settings.window :]
    mean = statistics.fmean(row["reward_mean"] for row in last)
    if settings.mean_above is not None and mean > settings.mean_above:
        return f"mean group reward {mean:.3f} over {len(last)} steps, above {settings.mean_above}"
    variance = statistics.fmean(row["group_variance"] for row in last)
    if settings.variance_below is not None and variance < settings.variance_below:
        return f"variance within groups {variance:.4f} over {len(last)} steps, below {settings.variance_below}"
    return None


@dataclass(frozen=True)
class Renewal:
    """A refreshed pivot set, as `report.json` tells it.

    Attributes:
        step: Steps done before it.
        reason: What was saturated.
        candidates: Profiled.
        before: Pivots trained on until then.
        kept: Pivots that the filter keeps now. 0: training goes on with those it had.
        sampled_tokens: Cost of profiling, in tokens sampled since it was last interrupted.
    """

    step: int
    reason: str
    candidates: int
    before: int
    kept: int
    sampled_tokens: int


class Reprofiler:
    """The renewals of one run.

    Args:
        candidates: States to profile anew; the pivots that training begins with, where there are no others.
        out: The run's folder.
        settings: When, and how often.
        profile: How candidates are profiled.
        filter: Which of them become pivots.

    Raises:
        InputError: If there is no candidate, or two share an id.
    """

    def __init__(
        self,
        candidates: Sequence[Pivot],
        out: str | Path,
        settings: ReprofileSettings,
        profile: ProfileConfig,
        filter: FilterConfig,
    ) -> None:
        if not candidates or len({pivot.id for pivot in candidates}) != len(candidates):
            raise InputError(f"candidates: expected at least one, with unique ids, got {len(candidates)}")
        self.candidates, self.settings, self.profile, self.filter = list(candidates), settings, profile, filter
        self._folder = Path(out) / "reprofiled"

    def newest(self, step: int) -> tuple[int, list[Pivot]] | None:
        """The renewal that training at this step goes by: after which step it was, and its pivots; `None`: none."""
        done = self._done(step)
        return (done[-1], list(read_records(self._at(done[-1]) / "pivots.jsonl", Pivot))) if done else None

    def due(self, step: int, rows: Sequence[Mapping[str, float]]) -> str | None:
        """Why the pivots are to be refreshed after `step` steps, or `None`.

        Args:
            step: Steps done.
            rows: The log, one line a step.
        """
        done = self._done(step)
        if len(done) >= self.settings.at_most:
            return None
        since = done[-1] if done else 0
        return saturation([row for row in rows if since < row["step"] <= step], self.settings)

    def refresh(
        self,
        step: int,
        reason: str,
        before: Sequence[Pivot],
        engine: PolicyEngine,
        scorer: Scorer,
        guard: FailureGuard,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Renewal:
        """Profile the candidates with the policy as it is now, and filter; goes on where it was interrupted.

        Args:
            step: Steps done.
            reason: From `due`.
            before: The pivots until now, kept where the filter keeps none.
            engine: Holds the policy.
            scorer: Scores actions.
            guard: Stops the run when too many samples fail.
            on_progress: Called with (candidates done, candidates).

        Raises:
            VerifierFailed: When too many verdicts failed; what was profiled is not lost.
        """
        folder = self._at(step)
        folder.mkdir(parents=True, exist_ok=True)
        made = profile(
            self.candidates,
            engine,
            scorer,
            folder / "profile.jsonl",
            self.profile,
            guard=guard,
            on_progress=on_progress,
        )
        kept, _ = filter_pivots(read_records(folder / "profile.jsonl", Pivot), self.filter)
        write_records(folder / "pivots.jsonl", kept or before)
        renewal = Renewal(step, reason, len(self.candidates), len(before), len(kept), made.sampled_tokens)
        with atomic(folder / "report.json") as file:
            file.write(json.dumps(asdict(renewal), indent=1).encode())
        return renewal

    def _at(self, step: int) -> Path:
        return self._folder / f"step-{step:06d}"

    def _done(self, step: int) -> list[int]:
        found = (int(report.parent.name.removeprefix("step-")) for report in self._folder.glob("step-*/report.json"))
        return sorted(number for number in found if number <= step)
