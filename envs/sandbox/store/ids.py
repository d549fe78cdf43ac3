"""Owners of files: numbers inside a sandbox and outside of it.

Owns: the one linear map that a store uses. Does not own: setting a user namespace's maps up (the backends).
"""

from __future__ import annotations

from dataclasses import dataclass

NOBODY = 65534
"""What the kernel shows for an id that has no place in a user namespace."""


@dataclass(frozen=True)
class Ids:
    """Id `i` inside is `first + i` outside, for `i` below `count`.

    Within the user namespace itself both are the same: `Ids()`.

    Attributes:
        first: Outside id of root inside.
        count: How many ids exist inside.
    """

    first: int = 0
    count: int = 65536

    def inside(self, outside: int) -> int:
        """The id inside; `NOBODY` for one that is not mapped."""
        number = outside - self.first
        return number if 0 <= number < self.count else NOBODY

    def outside(self, inside: int) -> int:
        """The id outside; root's for one that does not exist inside, so that a file always has an owner."""
        return self.first + (inside if 0 <= inside < self.count else 0)
