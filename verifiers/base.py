"""What a verifier is: a pure comparator of effects, with a fast path and a rule for what cannot be executed.

Owns: the contract and the verdicts every domain shares. Does not own: running anything (`envs/base`), or a domain's
rules (one module per kind of action beside this one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Effects, Pivot, Verdict


class Comparator(Protocol):
    """Decides whether a candidate action is functionally equivalent to the expert's.

    The order in which `envs.base` asks: `screen`; if it has no answer and the origin can be executed, `compare`;
    otherwise `by_rule`.
    """

    name: str

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """The fast path on text: accept, or call invalid, or `None` to let execution decide. Never `different`."""

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Decide from the effects of both actions, run in two forks of the same state. `executed` is true."""

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Decide where the origin cannot be executed, by a documented rule. `executed` is false."""


def malformed(action: Malformed) -> Verdict:
    """The verdict on text from which no action could be read."""
    reason = "the action was cut at its token limit" if action.truncated else action.reason
    return Verdict(
        reward=0.0,
        outcome="invalid",
        method="parse",
        executed=False,
        reason=reason,
        evidence={"text": action.text[:500]},
        truncated=action.truncated,
    )


def cut_short(action: Action) -> Verdict:
    """The verdict on an action that was cut at its token limit."""
    return malformed(Malformed(text=action.content, reason="", truncated=True))


def decided(
    equal: bool,
    method: str,
    executed: bool,
    reason: str,
    components: dict[str, float],
    evidence: dict[str, Any] | None = None,
) -> Verdict:
    """A verdict of 1 or 0. Arguments as the fields of `Verdict`."""
    return Verdict(
        reward=float(equal),
        outcome="equivalent" if equal else "different",
        method=method,
        executed=executed,
        components=components,
        reason=reason,
        evidence=evidence or {},
    )


def overlap(expected: Sequence[str], given: Sequence[str]) -> float:
    """Share of names in common, counted: 1.0 for equal ones in any order, and where there are none."""
    most = max(len(expected), len(given))
    return sum((Counter(expected) & Counter(given)).values()) / most if most else 1.0
