"""The domain `tool_use`.

Owns: which toolkits there are, which turns are candidates, and the tasks. Does not own: the toolkits themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import MissingDependency
from pivotgym.core.trajectory import Origin, Step, Trajectory, steps_of
from pivotgym.envs.base import sources
from pivotgym.envs.base.chat_servers import CachedChat
from pivotgym.envs.base.contract import Domain, Task
from pivotgym.envs.base.users import User
from pivotgym.envs.tool_use.bfcl import source, trajectories
from pivotgym.envs.tool_use.bfcl.toolkit import BfclToolkit
from pivotgym.envs.tool_use.mcp import tasks as mcp_tasks
from pivotgym.envs.tool_use.mcp.folders import SOURCE as MCP
from pivotgym.envs.tool_use.mcp.toolkit import McpToolkit
from pivotgym.envs.tool_use.tau import tasks as tau_tasks
from pivotgym.envs.tool_use.tau.toolkit import SOURCE as TAU
from pivotgym.envs.tool_use.tau.toolkit import TauToolkit
from pivotgym.envs.tool_use.toolkit import Toolkit
from pivotgym.envs.tool_use.users import LlmUser, ScriptedUser
from pivotgym.envs.tool_use.world import GoldOutcomes, ToolWorld
from pivotgym.verifiers.judge import MessageJudge
from pivotgym.verifiers.tool_calls import ToolCallComparator

TOOLKITS: dict[str, type[Toolkit]] = {one.kind: one for one in (BfclToolkit, TauToolkit, McpToolkit)}


class ToolUse(Domain):
    """Calls of tools in a conversation, run against real state where the origin has one."""

    name: ClassVar[str] = "tool_use"
    description: ClassVar[str] = (
        "Conversational tool use: BFCL's stateful API classes and function schemas, tau-bench's airline and retail, "
        "tools of MCP servers"
    )
    candidate_rule: ClassVar[str] = "assistant turns that call tools, without those whose recorded call is an error"

    def __init__(self) -> None:
        self.comparator: ToolCallComparator = ToolCallComparator()
        self._gold = GoldOutcomes()
        self._user_chat: CachedChat | None = None

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
        """BFCL's multi-turn tasks where the wheel is fetched; those of tau-bench and MCP servers as configured."""
        found = [*tau_tasks.tasks(), *mcp_tasks.tasks()]
        try:
            source.locate()
        except MissingDependency:
            return found
        return [*trajectories.tasks(), *found]

    def user(self, task: Task) -> User | None:
        """For a task whose `metadata["instruction"]` says what the user wants: a script, or the configured model."""
        instruction = task.metadata.get("instruction")
        if not isinstance(instruction, str):
            return None
        if self._user_chat is not None:
            return LlmUser(instruction, self._user_chat)
        return ScriptedUser(instruction, [action for turn in task.gold for action in turn])

    def use_judge(self, judge: MessageJudge | None) -> None:
        """See `Domain.use_judge`."""
        self.comparator.judge = judge

    def use_user_model(self, server: ChatServer) -> None:
        """See `Domain.use_user_model`."""
        self.close()
        self._user_chat = CachedChat(server, "user")

    def close(self) -> None:
        """See `Domain.close`."""
        if self._user_chat is not None:
            self._user_chat.close()
            self._user_chat = None

    def ready(self) -> str | None:
        """Why no origin can be rebuilt: neither BFCL's wheel, nor tau-bench's databases, nor MCP servers are there."""
        if sources.find(TAU) is not None or sources.find(MCP) is not None:
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
