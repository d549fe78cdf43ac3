"""A reward function for TRL's `GRPOTrainer`: each completion is an action at a pivot, and a server scores it.

    GRPOTrainer(model, reward_funcs=pivot_reward, train_dataset=rows)    # columns: prompt, pivot_id

A failure of the server, after the client's retries, is `None`: TRL (1.16) leaves such a sample out of its group; early
releases count it as zero. A pivot that the server does not know, or refuses, is an exception.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

from pivotgym.core.errors import InfrastructureError, PivotGymError
from pivotgym.core.trajectory import Verdict
from pivotgym.servers.client import Client, TextAction, VerifyItem


@cache
def client() -> Client:
    """The client of this process."""
    return Client(os.environ["PIVOTGYM_URL"], token=os.environ.get("PIVOTGYM_TOKEN"))


def pivot_reward(completions: Sequence[Any], pivot_id: Sequence[str], **_: Any) -> list[float | None]:
    """Score completions.

    Args:
        completions: Texts, or, for conversational prompts, lists with one assistant message.
        pivot_id: The data set's column of that name.

    Raises:
        PivotGymError: A row is wrong: its pivot is unknown or refused.
    """
    items = [VerifyItem(where, [_action(said)]) for where, said in zip(pivot_id, completions, strict=True)]
    return [_reward(scored) for (scored,) in client().verify_batch(items)]


def _reward(scored: Verdict | PivotGymError) -> float | None:
    if isinstance(scored, Verdict):
        return scored.reward
    if isinstance(scored, InfrastructureError):
        return None
    raise scored


def _action(said: Any) -> TextAction | dict[str, Any]:
    if isinstance(said, str):
        return TextAction(said, "hermes")
    (message,) = said
    return dict(message) if message.get("tool_calls") else TextAction(message["content"], "hermes")
