"""Engines and scorers that count what they do, and keep a sample of it for the audit.

Owns: counting, and the draw of samples to check again. Does not own: sampling, verdicts, what costs mean
(`study/results`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from pivotgym.core.errors import PivotGymError
from pivotgym.core.formats import Format
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Pivot, Sampling, Verdict
from pivotgym.study.results import Audit, Meter
from pivotgym.trainer.engine import LocalEngine, OnDone, Query, SampledAction
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.scoring import Scorer

Graded = tuple[Pivot, Action | Malformed]


class MeteredEngine(LocalEngine):
    """The in-process engine, counting turns and tokens."""

    def __init__(self, policy: Policy, fmt: Format, meter: Meter) -> None:
        super().__init__(policy, fmt)
        self.meter = meter

    def sample(
        self, queries: Sequence[Query], sampling: Sampling, *, on_done: OnDone | None = None
    ) -> list[list[SampledAction]]:
        """See `PolicyEngine`."""
        drawn = super().sample(queries, sampling, on_done=on_done)
        self.meter.add(turns=sum(map(len, drawn)), tokens=sum(one.sampled_tokens for row in drawn for one in row))
        return drawn


@dataclass
class Kept:
    """A uniform draw, without replacement, of at most `size` of the items it is shown."""

    size: int
    seed: int = 0
    seen: int = 0
    items: list[Graded] = field(default_factory=list)

    def show(self, item: Graded) -> None:
        """Take an item into account."""
        self.seen += 1
        place = len(self.items) if len(self.items) < self.size else self._rng.randrange(self.seen)
        if len(self.items) < self.size:
            self.items.append(item)
        elif place < self.size:
            self.items[place] = item

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)


class MeteredScorer:
    """A scorer that counts verdicts and keeps some of what it paid and did not pay."""

    def __init__(self, scorer: Scorer, meter: Meter, *, kept: int = 0, seed: int = 0) -> None:
        """`kept`: how many paid and how many unpaid actions are kept at most."""
        self._scorer, self._meter = scorer, meter
        self.accepted, self.rejected = Kept(kept, seed), Kept(kept, seed)

    def score(
        self, groups: Sequence[tuple[Pivot, Sequence[Action | Malformed]]]
    ) -> list[list[Verdict | PivotGymError]]:
        """See `Scorer`."""
        found = self._scorer.score(groups)
        self._meter.add(verdicts=sum(map(len, found)))
        for (pivot, actions), verdicts in zip(groups, found, strict=True):
            for action, verdict in zip(actions, verdicts, strict=True):
                if isinstance(verdict, Verdict):
                    (self.accepted if verdict.reward == 1 else self.rejected).show((pivot, action))
        return found

    def audit(self, strictest: Scorer) -> Audit:
        """What another check says of the samples that were kept; failures of ours are left out.

        Args:
            strictest: Scores by execution.
        """
        right = [_rewards(strictest, kept.items) for kept in (self.accepted, self.rejected)]
        return Audit(
            accepted=self.accepted.seen,
            rejected=self.rejected.seen,
            checked_accepted=len(right[0]),
            checked_rejected=len(right[1]),
            false_accepts=sum(reward < 1 for reward in right[0]),
            false_rejects=sum(reward == 1 for reward in right[1]),
        )


def _rewards(scorer: Scorer, items: Sequence[Graded]) -> list[float]:
    verdicts = scorer.score([(pivot, [action]) for pivot, action in items]) if items else []
    return [verdict.reward for (verdict,) in verdicts if isinstance(verdict, Verdict)]
