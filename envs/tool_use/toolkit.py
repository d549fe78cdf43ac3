"""A toolkit: tools that really run against a state. One per kind of origin.

Owns: the contract between `ToolWorld` and a set of tools (BFCL's classes, a shop's database, ...). Does not own:
actions, effects and prefixes (`envs.tool_use.world`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Origin


class Toolkit(ABC):
    """Tools and their state. A new toolkit is empty; `start` builds the state."""

    kind: ClassVar[str]
    fields: ClassVar[frozenset[str]] = frozenset()
    """The origin's fields beside `kind`; others are refused."""
    results_count: ClassVar[bool] = True
    """Whether a task also asks that every result of the gold's calls was seen, not only for the gold's final state."""

    @abstractmethod
    def start(self, origin: Origin, seed: int) -> None:
        """Build the state that an origin names.

        Raises:
            InputError: If the origin's fields do not fit.
            MissingDependency: If its data is not installed here.
        """

    @abstractmethod
    def tools(self) -> list[Tool]:
        """All tools that can be called."""

    @abstractmethod
    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a call; what the policy would see. A tool's own error is text, never raised."""

    @abstractmethod
    def failed(self, observation: str) -> bool:
        """Whether a call's text is an error of the tool."""

    @abstractmethod
    def fork(self) -> Self:
        """An independent copy."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of all that later calls can depend on."""

    def settle(self) -> None:  # noqa: B027 - most toolkits fork in no time
        """This state is complete and will only be forked from now on; let go of what forks don't need."""

    def close(self) -> None:  # noqa: B027 - most toolkits hold nothing that needs freeing
        """Free what the toolkit holds. Calling it again does nothing."""

    def normalise(self, observation: str) -> str:
        """What of an observation must match when a recorded call is replayed; by default all of it.

        Args:
            observation: The text, its runs of white space already one space each.
        """
        return observation

    def writes(self, name: str) -> bool:
        """Whether a tool of that name may change the state; by default any may."""
        return True

    def tells(self, name: str) -> bool:
        """Whether a tool of that name can tell anything; by default any may."""
        return True

    def ends(self, name: str) -> bool:
        """Whether a successful call of a tool of that name ends the task; by default none does."""
        return False

    def outcome_digest(self) -> str:
        """SHA-256 of what a task's result is judged by; by default `digest`."""
        return self.digest()

    def check_fields(self, origin: Origin) -> None:
        """Refuse an origin with other fields than `fields`.

        Raises:
            InputError: Naming them.
        """
        given = set(origin.model_extra or {})
        if given != self.fields:
            raise InputError(
                f"origin of kind {self.kind!r}: expected the fields {sorted(self.fields)}, got {sorted(given)}"
            )
