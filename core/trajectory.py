"""Trajectories, origins, pivots, profiles, effects and verdicts.

Owns: the records that travel between the rooms, their schema version and the pivot's digest. Does not own: how they
are read from foreign files (`core/readers/`), what an origin's fields mean (the domain), or how rewards are decided
(`verifiers/`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from pivotgym.core.canonical import digest
from pivotgym.core.errors import DigestMismatch, NotFound
from pivotgym.core.messages import Action, Message, Tool

SCHEMA_VERSION = 1


class Record(BaseModel):
    """A record of one of our JSON Lines files. Unknown fields are refused, so that nothing is lost unseen."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1

    def to_json(self) -> dict[str, Any]:
        """JSON form without the fields that are not set."""
        return self.model_dump(mode="json", exclude_none=True)


class Origin(BaseModel):
    """What a world needs to rebuild the start. Opaque here: the domain that owns `kind` owns the other fields."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str

    def get(self, name: str, default: Any = None) -> Any:
        """A field of the domain's schema, or `default`."""
        return (self.model_extra or {}).get(name, default)


class Step(BaseModel):
    """One action of a prefix with what was observed after it.

    Attributes:
        action: What the expert did.
        observations: The recorded tool outputs, in call order; `None` where the trajectory recorded none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    observations: tuple[str, ...] | None = None


class Trajectory(Record):
    """An expert's run.

    Attributes:
        id: Unique within its file.
        domain: The domain whose world can replay it (`tool_use`, `terminal`, ...).
        tools: What could be called.
        messages: The whole run, first to last.
        origin: What a world needs to rebuild the start.
        outcome: The run's own result, 1.0 for success, where known.
        candidates: Turns that may become pivots; `None` leaves the choice to the domain's published rule.
        accepted: For some turns, further accepted answers that the source carries; keys are turns as text.
        source: Where it comes from; `licence` under which.
        metadata: Whatever else the source says (task id, gold actions, ...).
    """

    id: str
    domain: str
    messages: list[Message]
    tools: list[Tool] = Field(default_factory=list)
    origin: Origin = Field(default_factory=lambda: Origin(kind="none"))
    outcome: float | None = None
    candidates: list[int] | None = None
    accepted: dict[str, Any] | None = None
    source: str | None = None
    licence: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    def turns(self) -> list[int]:
        """Positions in `messages` of the assistant messages; index in this list = turn."""
        return [position for position, message in enumerate(self.messages) if message.role == "assistant"]

    def at(self, turn: int) -> tuple[list[Message], Action]:
        """The state before a turn and the expert's action there.

        Raises:
            NotFound: If the trajectory has no such turn.
        """
        turns = self.turns()
        if not 0 <= turn < len(turns):
            raise NotFound(f"turn: expected 0 to {len(turns) - 1} for trajectory {self.id!r}, got {turn}")
        return self.messages[: turns[turn]], Action.from_message(self.messages[turns[turn]])


class Sampling(BaseModel):
    """How actions were sampled: temperature, top-p, the limit on new tokens, and the seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=64, gt=0)
    seed: int = 0


class Profile(BaseModel):
    """What the reference policy earned at a pivot.

    Attributes:
        pivot_digest: The pivot this was made for.
        rewards: One reward per sample; `None` for an infrastructure error, which counts for nothing.
        policy: Fingerprint of the reference policy; `format` the text format's name and version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pivot_digest: str
    rewards: tuple[float | None, ...]
    policy: str
    format: str
    sampling: Sampling

    @property
    def scored(self) -> list[float]:
        """The rewards that are not errors."""
        return [reward for reward in self.rewards if reward is not None]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def k(self) -> int:
        """How many samples were scored."""
        return len(self.scored)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean(self) -> float:
        """Mean reward; NaN-free: 0.0 when nothing was scored."""
        return math.fsum(self.scored) / self.k if self.k else 0.0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def variance(self) -> float:
        """Population variance, (1/K) sum (r - mean)^2 (PivotRL, Eq. 4)."""
        return math.fsum((reward - self.mean) ** 2 for reward in self.scored) / self.k if self.k else 0.0

    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if key not in ("k", "mean", "variance")}
        return data


class Pivot(Record):
    """A state to act in, with the expert's action there.

    Attributes:
        id: `{trajectory_id}:{turn}`.
        messages: The state: everything before the expert's action.
        reference: The expert's action.
        prefix: The actions to replay from the origin; `None` for the assistant messages of `messages`.
        accepted: Further accepted answers that the source carries, read by the domain's verifier.
        profile: What the reference policy earned here, once profiled.
    """

    id: str
    domain: str
    messages: list[Message]
    reference: Action
    tools: list[Tool] = Field(default_factory=list)
    origin: Origin = Field(default_factory=lambda: Origin(kind="none"))
    prefix: list[Step] | None = None
    accepted: Any = None
    profile: Profile | None = None
    source: str | None = None
    licence: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def trajectory_id(self) -> str:
        """The trajectory this pivot was cut from: what splits and bootstraps go by."""
        return self.id.rpartition(":")[0] or self.id

    @property
    def turn(self) -> int:
        """Index among the trajectory's assistant messages; 0 where the id names none."""
        tail = self.id.rpartition(":")[2]
        return int(tail) if tail.isascii() and tail.isdigit() and len(tail) <= 9 else 0

    @property
    def digest(self) -> str:
        """SHA-256 over origin, prefix, messages, tools, reference and accepted answers."""
        return digest(
            {
                "origin": self.origin.model_dump(),
                "prefix": [step.model_dump(mode="json") for step in self.steps()],
                "messages": [message.to_json() for message in self.messages],
                "tools": [tool.model_dump() for tool in self.tools],
                "reference": self.reference.to_json(),
                "accepted": self.accepted,
            }
        )

    def steps(self) -> list[Step]:
        """The actions to replay, with the observations that must come back."""
        return list(steps_of(self.messages)) if self.prefix is None else self.prefix

    def with_profile(self, profile: Profile) -> Self:
        """This pivot with its profile.

        Raises:
            DigestMismatch: If the profile was made for another pivot.
        """
        if profile.pivot_digest != self.digest:
            raise DigestMismatch(
                f"profile of {self.id!r}: made for digest {profile.pivot_digest[:12]}, the pivot's is "
                f"{self.digest[:12]}",
                hint="the pivot changed since it was profiled: profile it again",
            )
        return self.model_copy(update={"profile": profile})


def steps_of(messages: list[Message]) -> Iterator[Step]:
    """The assistant messages of a conversation as steps, each with the tool messages that follow it."""
    for position, message in enumerate(messages):
        if message.role != "assistant":
            continue
        observed: list[str] = []
        for later in messages[position + 1 :]:
            if later.role != "tool":
                break
            observed.append(later.text)
        yield Step(action=Action.from_message(message), observations=tuple(observed) or None)


class Effects(BaseModel):
    """What one action did to a world, as read from outside.

    Attributes:
        observations: What each call returned, in call order, as the policy would see it.
        state: Digest of the world after the action.
        before: Digest of the world before it.
        invalid: Why the action could not be parsed or run (the policy's fault), else `None`.
        failed: For each call, whether it returned an error of the tool.
        detail: What a domain's comparator needs beyond that, and a person wants to see.
    """

    model_config = ConfigDict(extra="forbid")

    observations: list[str] = Field(default_factory=list)
    state: str = ""
    before: str = ""
    invalid: str | None = None
    failed: list[bool] = Field(default_factory=list)
    detail: dict[str, Any] = Field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the action changed the world."""
        return self.state != self.before


class Verdict(BaseModel):
    """What a verifier says of an action.

    Attributes:
        reward: In [0, 1].
        outcome: `equivalent`, `different`, or `invalid` (cannot be parsed or run: the policy's fault).
        method: The rule that decided, e.g. `execution` or `normalised_call`.
        executed: Whether both actions were run and their effects compared.
        components: Named scores beside the reward.
        reason: One sentence a person understands.
        evidence: What differed.
        truncated: Whether the action was cut at its token limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reward: float = Field(ge=0, le=1, allow_inf_nan=False)
    outcome: Literal["equivalent", "different", "invalid"]
    method: str
    executed: bool
    components: dict[str, float] = Field(default_factory=dict)
    reason: str = ""
    evidence: dict[str, Any] = Field(default_factory=dict)
    truncated: bool = False

    @model_validator(mode="after")
    def _reward_fits(self) -> Self:
        if self.outcome != "equivalent" and self.reward == 1.0:
            raise ValueError(f"verdict: reward 1.0 goes with outcome 'equivalent', got {self.outcome!r}")
        return self
