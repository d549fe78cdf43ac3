"""Rewards for sampled actions, asked of an environment server.

Owns: sending actions to `/verify/batch`, and turning failures of ours into masked rewards (`None`), counted and capped.
Does not own: verdicts (`verifiers/`, behind the server), retries (`servers/client`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pivotgym.core.errors import PivotGymError, PolicyFailed, VerifierFailed
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.client import Client, VerifyItem

Sampled = Action | Malformed | PivotGymError
"""What an engine gives for one sample: an action, or the error that stood in its place."""


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
            PolicyFailed, VerifierFailed: When the share of failures passes `max_share`.
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
            raise (PolicyFailed if isinstance(result, PolicyFailed) else VerifierFailed)(
                f"samples: {self.failed} of {total} failed ({dict(self.codes)}), more than the allowed share of "
                f"{self.max_share}; the last with: {result.message}",
                hint="look at the server's log; the same command goes on where it stopped",
            )
        return None


Scored = Verdict | PivotGymError
"""What is known of one sample: a verdict, or the error that stood in its place."""


def rewards_of(
    scorer: Scorer, groups: Sequence[tuple[Pivot, Sequence[Sampled]]], guard: FailureGuard
) -> list[list[float | None]]:
    """Rewards for groups of actions, `None` where the environment failed, or the policy's engine before it."""
    return [[guard.reward(result) for result in row] for row in verdicts_of(scorer, groups)]


def verdicts_of(scorer: Scorer, groups: Sequence[tuple[Pivot, Sequence[Sampled]]]) -> list[list[Scored]]:
    """What the environment says of each action; the engine's own failures as they came.

    Equal actions of a group are sent once: verdicts are deterministic.
    """
    groups = [
        (pivot, [item if isinstance(item, PivotGymError) else sendable(item) for item in items])
        for pivot, items in groups
    ]
    unique = [
        {item.model_dump_json(): item for item in items if not isinstance(item, PivotGymError)} for _, items in groups
    ]
    results = scorer.score([(pivot, list(sent.values())) for (pivot, _), sent in zip(groups, unique, strict=True)])
    found: list[list[Scored]] = []
    for (_, items), sent, row in zip(groups, unique, results, strict=True):
        verdicts = dict(zip(sent, row, strict=True))
        found.append([item if isinstance(item, PivotGymError) else verdicts[item.model_dump_json()] for item in items])
    return found


def sendable(item: Action | Malformed) -> Action | Malformed:
    """The action, or a malformed one in its place where it holds a lone surrogate, which no request can carry."""
    text = json.dumps(item.model_dump(), ensure_ascii=False)
    if text.isascii() or text.encode("utf-8", "ignore").decode() == text:
        return item
    shown = text.encode("utf-8", "backslashreplace").decode()
    return Malformed(text=shown, reason="expected text, got a lone surrogate", truncated=item.truncated)
