"""Pairing calls, or queries of a batch, one to one where their order is free.

Owns: maximum bipartite matching for the handful that an action has. Does not own: when two match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def match(left: Sequence[Left], right: Sequence[Right], fits: Callable[[Left, Right], bool]) -> list[int | None]:
    """For each of `left`, the index of its partner in `right`, or `None`; as many pairs as can be.

    Augmenting paths (Kuhn 1955), O(len(left)^2 len(right)).
    """
    edges = [[place for place, item in enumerate(right) if fits(one, item)] for one in left]
    owner: dict[int, int] = {}

    def seat(one: int, tried: set[int]) -> bool:
        for place in edges[one]:
            if place in tried:
                continue
            tried.add(place)
            if place not in owner or seat(owner[place], tried):
                owner[place] = one
                return True
        return False

    for one in range(len(left)):
        seat(one, set())
    partner = {one: place for place, one in owner.items()}
    return [partner.get(one) for one in range(len(left))]
