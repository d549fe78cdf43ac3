"""What the compatibility modes share: options, the row a pivot was read from, and verdicts.

Owns: the frame of a rule that looks at two actions and runs nothing. Does not own: any score.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pivotgym.core.errors import ConfigError, VerifierFailed
from pivotgym.core.jsonl import describe
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Pivot, Verdict

PREFIX = "nemo_gym."


class Options(BaseModel):
    """Base of a rule's options, named as in NeMo Gym's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextRule(ABC):
    """A `verifiers.base.Comparator` that decides by the two actions alone.

    Args:
        options: The rule's options.
    """

    name: str
    options_type: ClassVar[type[Options]]
    quick: ClassVar[bool] = False
    """Whether a verdict takes microseconds whatever the actions are, so that `screen` may give it."""

    def __init__(self, options: Options | None = None) -> None:
        self.options: Any = options or self.options_type()

    @classmethod
    def configured(cls, given: Mapping[str, str]) -> Self:
        """The rule with options given as text.

        Raises:
            ConfigError: If there is no such option, or it has a bad value.
        """
        try:
            return cls(cls.options_type.model_validate(dict(given)))
        except ValidationError as error:
            raise ConfigError(f"rule {cls.name}: {describe(error)}") from error

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """The verdict where it is quick, else `None`."""
        return self.by_rule(pivot, action) if self.quick else None

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Never asked for: these rules run nothing.

        Raises:
            VerifierFailed: Always.
        """
        raise VerifierFailed(f"{self.name}: this rule compares actions, it was asked to compare effects")

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Decide.

        Raises:
            PivotRefused: If the expert's own action is none that this rule can compare with.
        """
        try:
            return self.decide(pivot, action)
        except RecursionError:
            return self.verdict(0.0, "the arguments are nested too deeply to be read")

    @abstractmethod
    def decide(self, pivot: Pivot, action: Action) -> Verdict:
        """The rule itself. Raises as for `by_rule`."""

    def verdict(self, reward: float, reason: str, **components: float) -> Verdict:
        """A verdict of this rule."""
        return Verdict(
            reward=reward,
            outcome="equivalent" if reward == 1.0 else "different",
            method=self.name,
            executed=False,
            components=components,
            reason=reason,
        )


def row_of(pivot: Pivot) -> dict[str, Any]:
    """The fields of NVIDIA's row that a pivot carries beside what it says itself; empty where it has none."""
    kept = pivot.metadata.get("nemo_gym")
    row = kept.get("row") if isinstance(kept, dict) else None
    return row if isinstance(row, dict) else {}
