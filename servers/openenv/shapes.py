"""What OpenEnv's clients send and read (openenv-core 0.3).

Owns: names and types of its messages, and which of its error codes a failure of ours has. Does not own: sessions.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pivotgym.core.errors import Full, InfrastructureError, NotFound, PivotGymError, WrongState
from pivotgym.servers.schemas import Seed, SessionOptions, Timeout, Wire

METADATA = "metadata"
"""A field of every typed action of OpenEnv; nothing of ours reads it."""


class InjectedState(Wire):
    """The state to begin in: exactly one of `pivot_id`, `pivot`, `trajectory_id` with `turn`, and `task_id`."""

    pivot_id: str | None = None
    pivot: dict[str, Any] | None = None
    trajectory_id: str | None = None
    turn: Annotated[int | None, Field(default=None, ge=0, strict=True)]
    task_id: str | None = None


class ResetData(Wire):
    """Arguments of OpenEnv's `reset`.

    Attributes:
        seed: Seeds the world, and the draw where no state is given.
        episode_id: A name of the caller's, told by `state`.
        injected_state: Where to begin; without it a pivot (for the horizon `episode` a task) is drawn.
        options: As for `POST /sessions`.
        timeout_s: Likewise.
    """

    seed: Seed | None = None
    episode_id: Annotated[str | None, Field(default=None, max_length=255)]
    injected_state: InjectedState | None = None
    options: SessionOptions = Field(default_factory=SessionOptions)
    timeout_s: Timeout


class Seen(Wire):
    """What a policy sees: OpenEnv's observation.

    Attributes:
        text: The observation.
        info: Structured messages, tools, and after an action its verdict.
        terminated: Whether the episode is over.
        truncated: Whether it was cut short.
    """

    text: str
    info: dict[str, Any]
    terminated: bool = False
    truncated: bool = False


class Healthy(Wire):
    """The process is alive, in OpenEnv's word."""

    status: str = "healthy"


class About(Wire):
    """The domain, as OpenEnv names its fields."""

    name: str
    description: str
    version: str


class Schemas(Wire):
    """JSON schemas of actions, observations and states."""

    action: dict[str, Any]
    observation: dict[str, Any]
    state: dict[str, Any]


def error_message(error: PivotGymError, code: str | None = None) -> dict[str, Any]:
    """OpenEnv's error message; under `error` the same in our words, with `retryable`."""
    return {
        "type": "error",
        "data": {"message": str(error), "code": code or error_code(error), "error": error.to_wire()},
    }


def error_code(error: PivotGymError) -> str:
    """The one of OpenEnv's codes that fits best."""
    if isinstance(error, Full):
        return "CAPACITY_REACHED"
    if isinstance(error, NotFound | WrongState):
        return "SESSION_ERROR"
    return "EXECUTION_ERROR" if isinstance(error, InfrastructureError) else "VALIDATION_ERROR"
