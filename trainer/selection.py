"""Which states of a corpus a run uses: a fixed number, drawn by seed, mixed from two kinds.

Owns: the draw. Does not own: the split into training and held-out trajectories, which the domain publishes.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from pivotgym.core.errors import InputError
from pivotgym.core.trajectory import Pivot


def draw(
    pivots: Sequence[Pivot], count: int, *, multi_turn: float, seed: int, per_trajectory: int | None = None
) -> list[Pivot]:
    """Draw pivots: a share from executable multi-turn trajectories, the rest from the others.

    Args:
        pivots: The corpus; `metadata["executable"]` tells the two kinds apart.
        count: How many.
        multi_turn: Share of executable ones, in [0, 1].
        seed: Fixes the draw.
        per_trajectory: At most so many of one trajectory.

    Returns:
        The pivots, those of one trajectory together and in order of turns, so that their shared prefix is computed
        once.

    Raises:
        InputError: If a kind has too few.
    """
    wanted = {True: round(count * multi_turn)}
    wanted[False] = count - wanted[True]
    chosen: list[Pivot] = []
    for executable, number in wanted.items():
        kind = [pivot for pivot in pivots if bool(pivot.metadata.get("executable")) == executable]
        drawn = _draw_kind(kind, number, seed, per_trajectory)
        if len(drawn) < number:
            name = "executable" if executable else "not executable"
            raise InputError(
                f"count: expected at least {number} {name} pivots to draw from, got {len(drawn)}",
                hint="ask for fewer, raise max_prompt_tokens, or change the share of multi-turn pivots",
            )
        chosen += drawn
    return chosen


def _draw_kind(pivots: list[Pivot], number: int, seed: int, per_trajectory: int | None) -> list[Pivot]:
    by_trajectory: dict[str, list[Pivot]] = defaultdict(list)
    for pivot in pivots:
        by_trajectory[pivot.trajectory_id].append(pivot)
    names = sorted(by_trajectory)
    rng = random.Random(seed)
    rng.shuffle(names)
    drawn: list[Pivot] = []
    for name in names:
        turns = by_trajectory[name]
        kept = turns if per_trajectory is None else rng.sample(turns, min(per_trajectory, len(turns)))
        drawn += sorted(kept, key=lambda pivot: pivot.turn)[: number - len(drawn)]
        if len(drawn) == number:
            break
    return drawn
