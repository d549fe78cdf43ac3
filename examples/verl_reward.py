"""A reward function for verl: `custom_reward_function.path=examples/verl_reward.py`, a pivot's id as `ground_truth`.

`compute_score` is for the reward manager that scores samples one by one, `compute_scores` for the one that scores a
batch. verl has no way to leave out a sample, so a failure of the server is an exception here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

from pivotgym.core.errors import PivotGymError
from pivotgym.servers.client import Client, TextAction, VerifyItem


@cache
def client() -> Client:
    """The client of this process."""
    return Client(os.environ["PIVOTGYM_URL"], token=os.environ.get("PIVOTGYM_TOKEN"))


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None, **_: Any
) -> dict[str, Any]:
    """Score one answer: the reward as `score`, and what verl logs beside it."""
    return compute_scores([data_source], [solution_str], [ground_truth], [extra_info])[0]


def compute_scores(
    data_sources: Sequence[str],
    solution_strs: Sequence[str],
    ground_truths: Sequence[str],
    extra_infos: Sequence[dict[str, Any] | None],
    **_: Any,
) -> list[dict[str, Any]]:
    """Score a batch.

    Raises:
        PivotGymError: There is no verdict on an answer.
    """
    pairs = zip(ground_truths, solution_strs, strict=True)
    items = [VerifyItem(pivot_id, [TextAction(text, "hermes")]) for pivot_id, text in pairs]
    scores = []
    for (scored,) in client().verify_batch(items):
        if isinstance(scored, PivotGymError):
            raise scored
        scores.append({"score": scored.reward, "invalid": float(scored.outcome == "invalid")})
    return scores
