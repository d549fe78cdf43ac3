"""95 % intervals of rates that are counted.

Owns: Wilson's interval of a share, and the interval of a balanced accuracy made of two of them. Does not own: counting.

Both take cases as independent. Cases of one group share a task, so the true intervals are somewhat wider.
"""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""The standard normal's 97.5 % quantile."""


def wilson(count: int, total: int) -> tuple[float, float] | None:
    """Wilson's score interval of `count / total` (Wilson 1927), at 95 %; `None` where there is nothing to count.

    Unlike the normal approximation it says something of a rate of 0 or 1.

    >>> [round(end, 3) for end in wilson(0, 50)]
    [0.0, 0.071]
    """
    if total == 0:
        return None
    share = count / total
    scale = 1 + _Z**2 / total
    middle = (share + _Z**2 / (2 * total)) / scale
    half = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2)) / scale
    return (0.0 if count == 0 else max(0.0, middle - half)), (1.0 if count == total else min(1.0, middle + half))


def balanced(accepts: int, different: int, rejects: int, equivalent: int) -> tuple[float, float] | None:
    """The interval of a balanced accuracy, 1 - (false accept rate + false reject rate) / 2, at 95 %.

    Made of the two rates' Wilson intervals by the rule of Zou and Donner (2008) for sums of independent estimates.

    Args:
        accepts: False accepts.
        different: Cases that are different, of which they are.
        rejects: False rejects.
        equivalent: Cases that are equivalent, of which they are.
    """
    first, second = wilson(accepts, different), wilson(rejects, equivalent)
    if first is None or second is None:
        return None
    one, other = accepts / different, rejects / equivalent
    accuracy = 1 - (one + other) / 2
    below = math.hypot(first[1] - one, second[1] - other) / 2
    above = math.hypot(one - first[0], other - second[0]) / 2
    return max(0.0, accuracy - below), min(1.0, accuracy + above)
