"""The domain `tool_use`.

Owns: which toolkits there are, which turns are candidates, and the tasks. Does not own: the toolkits themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pivotgym.core.errors import MissingDependency
from pivotgym.core.trajectory import Origin, Step, Trajectory, steps_of
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Domain, Task
from pivotgym.envs.tool_use.bfcl import source, trajectories
from pivotgym.envs.tool_use.bfcl.toolkit import BfclToolkit
from pivotgym.envs.tool_use.tau import tasks as tau_tasks
from pivotgym.envs.tool_use.tau.toolkit import SOURCE as TAU
from pivotgym.envs.tool_use.tau.toolkit import TauToolkit
from pivotgym.envs.tool_use.toolkit import Toolkit
from pivotgym.envs.tool_use.world import GoldOutcomes, ToolWorld
from pivotgym.verifiers.tool_calls import ToolCallComparator

TOOLKITS: dict[str, type[Toolkit]] = {BfclToolkit.kind: BfclToolkit, TauToolkit.kind: TauToolkit}


class ToolUse(Domain):
    """Calls of tools in a conversation, run against real state where the origin has one."""

    name: ClassVar[str] = "tool_use"
    description: ClassVar[str] = (
        "Conversational tool use: BFCL's stateful API classes and function schemas, tau-bench's airline and retail"
    )
    candidate_rule: ClassVar[str] = "assistant turns that call tools, without those whose recorded call is an error"

    def __init__(self) -> None:
        self.comparator = ToolCallComparator()
        self._gold = GoldOutcomes()

    def world(self) -> ToolWorld:
        """See `Domain.world`."""
        return ToolWorld(TOOLKITS, self._gold)

    def executable(self, origin: Origin) -> bool:
        """Whether there is a toolkit for this kind of origin."""
        return origin.kind in TOOLKITS

    def candidates(self, trajectory: Trajectory) -> list[int]:
        """The trajectory's own list where it has one, else by `candidate_rule`."""
        if trajectory.candidates is not None:
            return list(trajectory.candidates)
        return [turn for turn, step in enumerate(steps_of(trajectory.messages)) if _candidate(step)]

    def tasks(self) -> Iterable[Task]:
        """BFCL's multi-turn tasks where the wheel is fetched, airline and retail tasks where they are configured."""
        found = list(tau_tasks.tasks())
        try:
            source.locate()
        except MissingDependency:
            return found
        return [*trajectories.tasks(), *found]

    def ready(self) -> str | None:
        """Why no origin can be rebuilt: BFCL's wheel is not fetched, and no tau-bench database is configured."""
        if sources.find(TAU) is not None:
            return None
        try:
            source.locate()
        except MissingDependency as missing:
            return str(missing)
        return None


def _candidate(step: Step) -> bool:
    """Whether an action calls tools, none of which answered with an error."""
    return bool(step.action.tool_calls) and not any(text.startswith("Error") for text in step.observations or ())


def domain() -> ToolUse:
    """The domain, for the entry point."""
    return ToolUse()
