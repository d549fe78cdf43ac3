"""What success cost: curves over checkpoints, and what a level of success took.

Owns: reading them. Does not own: making them (`study/arms`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pivotgym.study.results import Cost, Point, Result


@dataclass(frozen=True)
class MeanPoint:
    """One checkpoint, mean over seeds; everything that was spent until then, profiling counted."""

    cost: Cost
    success: float


def within(curve: Sequence[Point], turns: float) -> Point:
    """The last point that took at most so many turns; the first, which took none, at the least."""
    return next((point for point in reversed(curve) if point.cost.turns <= turns), curve[0])


def mean_curve(results: Sequence[Result], arm: str) -> list[MeanPoint]:
    """An arm's curve over its seeds, checkpoint by checkpoint as far as all have them; empty without a run."""
    curves = [row.curve for row in results if row.arm == arm and row.curve]
    return [
        MeanPoint(
            cost=_mean([point.cost for point in points]),
            success=sum(sum(point.success.values()) / len(point.success) for point in points) / len(points),
        )
        for points in zip(*curves, strict=False)
    ]


def cost_to(curve: Sequence[MeanPoint], success: float) -> Cost | None:
    """What it took until the success first reached a level, in a straight line between two checkpoints.

    Returns:
        `None` if it never does.
    """
    for before, point in zip([None, *curve], curve, strict=False):
        if point.success >= success:
            if before is None:
                return point.cost
            share = (success - before.success) / (point.success - before.success)
            return _between(before.cost, point.cost, share)
    return None


def _mean(costs: Sequence[Cost]) -> Cost:
    return Cost.model_construct(
        **{name: sum(getattr(cost, name) for cost in costs) / len(costs) for name in Cost.model_fields}
    )


def _between(first: Cost, second: Cost, share: float) -> Cost:
    return Cost.model_construct(
        **{
            name: getattr(first, name) + share * (getattr(second, name) - getattr(first, name))
            for name in Cost.model_fields
        }
    )
