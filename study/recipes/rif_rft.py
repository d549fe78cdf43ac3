"""Rollout-based instance filtering (RIF-RFT): RL on the instances that the policy can solve at all.

Owns: the filter. Does not own: rollouts (the profile), training (`trainer/training`).

The policy's own rollouts tell which instances are beyond it; at those no sample is rewarded, every group is equal, and
training spends its samples in vain. They are dropped. Unlike PivotRL's filter it keeps the easy ones.
"""

from __future__ import annotations

from collections.abc import Iterable

from pivotgym.core.trajectory import Pivot


def solvable(profiled: Iterable[Pivot]) -> list[Pivot]:
    """The profiled states at which some sample was rewarded."""
    return [pivot for pivot in profiled if pivot.profile is not None and pivot.profile.mean > 0]
