"""The strict reward of the paper's Eq. 2: 1 if the action is the expert's, else 0. An arm of the ablations.

Owns: exact equality of actions. Does not own: anything functional (`verifiers.tool_calls` and its neighbours).
"""

from __future__ import annotations

import json

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Pivot, Verdict


class StrictComparator:
    """Equal text and equal calls in equal order; types count (`1` is not `1.0`), the order of keys does not.

    JSON objects have no order, and the text an action was parsed from is not kept; ids and reasoning are no part of
    an action.
    """

    name = "strict"

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """Accept an exactly equal action; `None` otherwise."""
        return _verdict(True) if spelled(action) == spelled(pivot.reference) else None

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Whatever was run, an action that `screen` did not accept is different."""
        return _verdict(False)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Equality decides everything."""
        return _verdict(spelled(action) == spelled(pivot.reference))


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def spelled(action: Action) -> str:
    """An action as text that is equal for equal actions only."""
    calls = [[call.name, call.arguments] for call in action.tool_calls]
    return _encode([action.content.strip(), calls])


def _verdict(equal: bool) -> Verdict:
    return Verdict(
        reward=float(equal),
        outcome="equivalent" if equal else "different",
        method="strict",
        executed=False,
        reason="the action is exactly the expert's" if equal else "the action is not exactly the expert's",
    )
