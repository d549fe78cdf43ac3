"""Rewards for sampled actions, asked of an environment server.

Owns: sending actions to `/verify/batch`, and turning failures of ours into masked rewards (`None`), counted and capped.
Does not own: verdicts (`verifiers/`, behind the server), retries (`servers/client`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pivotgym.core.errors import PivotGymError, VerifierFailed
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.client import Client, VerifyItem


class Scorer(Protocol):
    """Whatever scores actions at pivots; the environment server's client is one."""

    def score(
        self, groups: Sequence[tuple[Pivot, Sequence[Action | Malformed]]]
    ) -> list[list[Verdict | PivotGymError]]:
        """For each pivot and each of its actions a verdict, or the error that stood in its place."""


class ClientScorer:
    """Scores through an environment server that was given the pivots (`Client.add_pivots`)."""

    def __init__(self, client: Client, *, rule: str | None = None) -> None:
        """`rule` picks another comparator than the server's own, e.g. `strict`."""
        self._client, self._rule = client, rule

    def score(
        self, groups: Sequence[tuple[Pivot, Sequence[Action | Malformed]]]
    ) -> list[list[Verdict | PivotGymError]]:
        """See `Scorer`."""
        items = [VerifyItem(pivot.id, list(actions)) for pivot, actions in groups]
        return self._client.verify_batch(items, rule=self._rule)


@dataclass
class FailureGuard:
    """Counts masked samples and stops a run when infrastructure failures pass a share.

    Attributes:
        max_share: Share of failed samples above which a run stops.
        least: Samples before the share is looked at.
    """

    max_share: float = 0.2
    least: int = 50
    scored: int = 0
    failed: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def reward(self, result: Verdict | PivotGymError) -> float | None:
        """The reward, or `None` (masked) for a retryable failure.

        Raises:
            PivotGymError: A refusal, which no retry mends, as it came.
            VerifierFailed: When the share of failures passes `max_share`.
        """
        if isinstance(result, Verdict):
            self.scored += 1
            return result.reward
        if not result.retryable:
            raise result
        self.failed += 1
        self.codes[result.code] += 1
        total = self.scored + self.failed
        if total >= self.least and self.failed > self.max_share * total:
            raise VerifierFailed(
                f"verdicts: {self.failed} of {total} failed ({dict(self.codes)}), more than the allowed share of "
                f"{self.max_share}",
                hint="look at the environment server's log; the run goes on from its last checkpoint",
            )
        return None


def rewards_of(
    scorer: Scorer, groups: Sequence[tuple[Pivot, Sequence[Action | Malformed]]], guard: FailureGuard
) -> list[list[float | None]]:
    """Rewards for groups of actions, `None` where the environment failed.

    Equal actions of a group are sent once: verdicts are deterministic.
    """
    unique = [
        (pivot, list({action.model_dump_json(): action for action in actions}.values())) for pivot, actions in groups
    ]
    results = scorer.score(unique)
    rewards = []
    for (_, sent), (_, actions), row in zip(unique, groups, results, strict=True):
        by_action = {action.model_dump_json(): result for action, result in zip(sent, row, strict=True)}
        rewards.append([guard.reward(by_action[action.model_dump_json()]) for action in actions])
    return rewards
