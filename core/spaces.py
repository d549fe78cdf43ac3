"""Gymnasium spaces for text.

Owns: `Unicode`, the space of every observation and action here. Does not own: what a text means.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray

_PRINTABLE = "".join(map(chr, range(32, 127)))


class Unicode(Space[str]):
    """Any text from `min_length` to `max_length` characters: empty, non-ASCII and control characters included.

    Gymnasium's own `Text` wants a charset and refuses the empty text by default. Samples are short and printable.

    Args:
        max_length: Longest text, in characters.
        min_length: Shortest text, in characters.
        seed: For `sample`.

    Raises:
        ValueError: If the lengths are negative or crossed.

    >>> "Grüße, 世界" in Unicode(), "" in Unicode(), 3 in Unicode()
    (True, True, False)
    """

    def __init__(
        self, max_length: int = 2**24, *, min_length: int = 0, seed: int | np.random.Generator | None = None
    ) -> None:
        if not 0 <= min_length <= max_length:
            raise ValueError(f"Unicode: expected 0 <= min_length <= max_length, got {min_length} and {max_length}")
        self.min_length, self.max_length = min_length, max_length
        super().__init__(shape=None, dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Text has no array form."""
        return False

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A short printable text.

        Raises:
            ValueError: If a mask or probabilities are given: there are none for text.
        """
        if mask is not None or probability is not None:
            raise ValueError("Unicode.sample: expected no mask and no probability, got one")
        longest = min(self.max_length, self.min_length + 32)
        length = int(self.np_random.integers(self.min_length, longest + 1))
        picks: NDArray[np.int64] = self.np_random.integers(0, len(_PRINTABLE), size=length)
        return "".join(_PRINTABLE[pick] for pick in picks)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a text of fitting length."""
        return isinstance(x, str) and self.min_length <= len(x) <= self.max_length

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        """Texts are JSON already."""
        return list(sample_n)

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        """Texts are JSON already."""
        return [str(sample) for sample in sample_n]

    def __repr__(self) -> str:
        return f"Unicode({self.max_length}, min_length={self.min_length})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unicode):
            return False
        return (self.min_length, self.max_length) == (other.min_length, other.max_length)
