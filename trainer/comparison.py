"""Arms side by side: mean rewards and differences, pooled over seeds.

Owns: which arms are compared and how seeds are pooled. Does not own: intervals (`trainer/stats`), pages
(`trainer/report`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pivotgym.trainer.evaluation import EvalRow, clusters
from pivotgym.trainer.stats import Clusters, Interval, difference_interval, mean_interval

Part = Literal["all", "executed", "not executed"]
PARTS: tuple[Part, ...] = ("all", "executed", "not executed")
ARM_NAMES = {
    "base": "base",
    "sft": "SFT",
    "sft@low": "SFT, low temperature (control)",
    "grpo": "PivotRL (GRPO)",
    "grpo@low": "PivotRL, low temperature",
}
DIFFERENCES = (("base", "grpo"), ("sft", "grpo"), ("sft@low", "grpo"), ("sft@low", "grpo@low"))


@dataclass(frozen=True)
class ArmRow:
    """One arm's means, in all and by part; `None` where the part has no pivot."""

    arm: str
    parts: dict[str, Interval | None]


@dataclass(frozen=True)
class DifferenceRow:
    """Mean of `second` minus mean of `first`, by part, on the trajectories both were evaluated on."""

    first: str
    second: str
    parts: dict[str, Interval | None]


def pool(seeds: Sequence[Sequence[EvalRow]], arm: str, part: Part) -> Clusters:
    """Rewards by trajectory over all seeds.

    The seeds are evaluated on the same held-out trajectories, so a trajectory's rewards of all seeds stay in one
    cluster; the interval speaks of new trajectories, for policies trained like these.
    """
    pooled: dict[str, list[float]] = defaultdict(list)
    for rows in seeds:
        for trajectory, rewards in clusters(rows, arm, part).items():
            pooled[trajectory].extend(rewards)
    return pooled


def arm_table(seeds: Sequence[Sequence[EvalRow]], names: Iterable[str] = tuple(ARM_NAMES)) -> list[ArmRow]:
    """Those of the named arms that have rows, in that order."""
    present = {row.arm for rows in seeds for row in rows}
    return [ArmRow(arm, {part: _mean(pool(seeds, arm, part)) for part in PARTS}) for arm in names if arm in present]


def difference_table(seeds: Sequence[Sequence[EvalRow]]) -> list[DifferenceRow]:
    """The differences of `DIFFERENCES` whose arms both have rows."""
    present = {row.arm for rows in seeds for row in rows}
    return [
        DifferenceRow(a, b, {part: _difference(pool(seeds, a, part), pool(seeds, b, part)) for part in PARTS})
        for a, b in DIFFERENCES
        if a in present and b in present
    ]


def _mean(values: Clusters) -> Interval | None:
    return mean_interval(values) if values else None


def _difference(first: Clusters, second: Clusters) -> Interval | None:
    return difference_interval(first, second) if first.keys() & second.keys() else None
