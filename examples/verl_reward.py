"""A reward function for verl, with a pivot's id as `ground_truth`.

    reward.custom_reward_function.path=examples/verl_reward.py    # verl 0.9; in early releases without `reward.`

verl has no way to leave out a sample, so a failure of the server, after the client's retries, is an exception.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from pivotgym.servers.client import Client, TextAction


@cache
def client() -> Client:
    """The client of this process."""
    return Client(os.environ["PIVOTGYM_URL"], token=os.environ.get("PIVOTGYM_TOKEN"))


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None, **_: Any
) -> dict[str, float]:
    """Score one answer: the reward as `score`, and what verl logs beside it.

    Raises:
        PivotGymError: There is no verdict on it.
    """
    verdict = client().verify(ground_truth, TextAction(solution_str, "hermes"))
    return {"score": verdict.reward, "invalid": float(verdict.outcome == "invalid")}
