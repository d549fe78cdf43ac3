"""A reward function for TRL's `GRPOTrainer`: each completion is an action at a pivot, and a server scores it.

    GRPOTrainer(model, reward_funcs=pivot_reward, train_dataset=rows)    # columns: prompt, pivot_id

A sample whose only reward is `None` counts as zero in TRL, so a failure of the server is an exception here.
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


def pivot_reward(completions: Sequence[Any], pivot_id: Sequence[str], **_: Any) -> list[float]:
    """Score completions.

    Args:
        completions: Texts, or, for conversational prompts, lists with one assistant message.
        pivot_id: The data set's column of that name.

    Raises:
        PivotGymError: There is no verdict on a completion.
    """
    items = [VerifyItem(where, [_action(said)]) for where, said in zip(pivot_id, completions, strict=True)]
    rewards = []
    for (scored,) in client().verify_batch(items):
        if isinstance(scored, PivotGymError):
            raise scored
        rewards.append(scored.reward)
    return rewards


def _action(said: Any) -> TextAction | dict[str, Any]:
    if isinstance(said, str):
        return TextAction(said, "hermes")
    (message,) = said
    return dict(message) if message.get("tool_calls") else TextAction(message["content"], "hermes")
