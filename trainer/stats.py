"""Intervals: the bootstrap over trajectories.

Owns: resampling whole trajectories, because states of one trajectory share their prefix and are not independent.
Does not own: which figures are compared (`trainer/evaluation`, `trainer/report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pivotgym.core.errors import InputError

Clusters = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval; `n` values in `clusters` trajectories."""

    mean: float
    low: float
    high: float
    n: int
    clusters: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def _sums(clusters: Clusters, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    sums = np.array([float(np.sum(clusters[key])) for key in keys])
    counts = np.array([len(clusters[key]) for key in keys], dtype=float)
    return sums, counts


def _draws(clusters: int, resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(float)


def mean_interval(values: Clusters, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean over all values, with the percentile bootstrap over trajectories (95 %).

    Args:
        values: Trajectory id -> its rewards.
        resamples: Bootstrap resamples.
        seed: Fixes them.

    Raises:
        InputError: If there is no value.
    """
    keys = sorted(key for key in values if len(values[key]))
    if not keys:
        raise InputError("values: expected at least one reward, got none")
    sums, counts = _sums(values, keys)
    weights = _draws(len(keys), resamples, seed)
    means = (weights @ sums) / (weights @ counts)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), int(counts.sum()), len(keys))


def difference_interval(first: Clusters, second: Clusters, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of `second` minus mean of `first`, resampling the trajectories both share together (paired).

    Raises:
        InputError: If they share no trajectory with values.
    """
    keys = sorted(key for key in first.keys() & second.keys() if len(first[key]) and len(second[key]))
    if not keys:
        raise InputError("first, second: expected trajectories in common, got none")
    sums_a, counts_a = _sums(first, keys)
    sums_b, counts_b = _sums(second, keys)
    weights = _draws(len(keys), resamples, seed)
    gaps = (weights @ sums_b) / (weights @ counts_b) - (weights @ sums_a) / (weights @ counts_a)
    low, high = np.quantile(gaps, [0.025, 0.975])
    mean = sums_b.sum() / counts_b.sum() - sums_a.sum() / counts_a.sum()
    return Interval(float(mean), float(low), float(high), int(counts_b.sum()), len(keys))
