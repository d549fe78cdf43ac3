"""What a policy server can be told.

Owns: these settings. Does not own: the engine's.
"""

from __future__ import annotations

from pydantic import Field

from pivotgym.servers.settings import Listening


class PolicySettings(Listening):
    """Settings of a policy server, beside those of `Listening`.

    Attributes:
        model: The model's name in requests and answers.
        max_waiting: Requests that may wait for the engine; one more is refused with `Full`.
        max_samples: Samples (`n`) of one request.
        max_tokens: Tokens a sample may have; what a chat request that names no limit gets.
        batch_samples: Samples that are worked at side by side.
        timeout_s: Time in which a request must have its answer, seconds.
        refresh_s: Time between two looks for newer weights, seconds.
    """

    model: str = "policy"
    max_waiting: int = Field(default=1024, ge=1)
    max_samples: int = Field(default=128, ge=1)
    max_tokens: int = Field(default=2048, ge=1)
    batch_samples: int = Field(default=256, ge=1)
    timeout_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    refresh_s: float = Field(default=1.0, gt=0, allow_inf_nan=False)
