"""States of no world, for parts that only read them."""

from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Pivot


def make_pivots(count):
    return [
        Pivot(
            id=f"run-{number}:0",
            domain="toy",
            messages=[Message(role="user", content=f"question {number}")],
            reference=Action(content="b"),
        )
        for number in range(count)
    ]
