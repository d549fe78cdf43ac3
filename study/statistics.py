"""Intervals of paired differences over tasks and seeds.

Owns: the bootstrap over both, and its calibration for few seeds. Does not own: which arms are compared
(`study/claims`). Intervals over trajectories alone are `trainer/stats`.

Two arms are trained with the same seeds and meet the same tasks, so what is resampled is their difference at each
(seed, task). Both are samples of something larger, and the variance of the mean is, as for two-way clustered data
(Cameron, Gelbach and Miller, 2011), that of resampled seeds plus that of resampled tasks less that of resampled cells,
which both contain. The bootstrap variance of a mean has a closed form, so nothing need be drawn. Five seeds are few: a
bootstrap over n draws gives (n - 1) / n of the variance, and its percentiles are normal where Student's are wider. So
the variances are enlarged by n / (n - 1), and the interval takes Student's quantile with the degrees of freedom of
Welch and Satterthwaite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pivotgym.core.errors import InputError

Arm = Mapping[int, Mapping[str, float]]
"""Seed -> unit -> value."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        mean: Over all seeds and units.
        low: Lower end of the 95 % interval.
        high: Upper end.
        seeds: How many both arms have.
        units: How many units (tasks, trajectories, prompts) all of them have.
        dropped: Units that some run lacks.
    """

    mean: float
    low: float
    high: float
    seeds: int
    units: int
    dropped: int = 0

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def difference(first: Arm, second: Arm, *, level: float = 0.95) -> Estimate:
    """Mean of `second` minus `first` over the seeds and units that both have.

    Args:
        first: The arm that is subtracted.
        second: The other.
        level: Of the two-sided interval.

    Raises:
        InputError: If they share no seed or no unit.
    """
    cells, dropped = _cells([first, second])
    return _interval(cells[1] - cells[0], dropped, level)


def mean(arm: Arm, *, level: float = 0.95) -> Estimate:
    """Mean of an arm; arguments and errors as for `difference`."""
    cells, dropped = _cells([arm])
    return _interval(cells[0], dropped, level)


def _cells(arms: Sequence[Arm]) -> tuple[np.ndarray, int]:
    """Values `[arms, seeds, units]` of what all arms have, and how many units were dropped."""
    seeds = sorted(set.intersection(*(set(arm) for arm in arms)))
    if not seeds:
        raise InputError("arms: expected seeds in common, got none")
    rows = [arm[seed] for arm in arms for seed in seeds]
    units = sorted(set.intersection(*(set(row) for row in rows)))
    if not units:
        raise InputError("arms: expected units in common, got none")
    values = np.array([[[arm[seed][unit] for unit in units] for seed in seeds] for arm in arms], dtype=float)
    return values, len(set.union(*(set(row) for row in rows))) - len(units)


def _interval(cells: np.ndarray, dropped: int, level: float) -> Estimate:
    seeds, units = cells.shape
    by_seed, by_unit = _variance(cells.mean(axis=1)), _variance(cells.mean(axis=0))
    both = max(by_seed + by_unit - _variance(cells.ravel()), by_seed, by_unit)
    # Where nothing varies: an effect in more than 3 of N cells would have shown (rule of three, values in [0, 1]).
    spread = 3 / cells.size
    if both > 1e-18:  # below it is rounding
        shares = [part / both for part in (by_seed, by_unit)]
        lost = sum(share**2 / (count - 1) for share, count in zip(shares, (seeds, units), strict=True) if count > 1)
        freedom = sum(shares) ** 2 / lost
        spread = _student(round(freedom, 1 if freedom < 10 else 0), level) * float(np.sqrt(both))
    centre = float(cells.mean())
    return Estimate(centre, centre - spread, centre + spread, seeds, units, dropped)


def _variance(values: np.ndarray) -> float:
    """Bootstrap variance of a mean, enlarged by n / (n - 1); 0 for a single value."""
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else 0.0


@lru_cache(maxsize=256)
def _student(freedom: float, level: float) -> float:
    """Two-sided quantile of Student's distribution, by simulation (three digits at 4 degrees of freedom)."""
    draws = np.random.default_rng(0).standard_t(max(freedom, 1.0), size=100_000)
    return float(np.quantile(np.abs(draws), level))
