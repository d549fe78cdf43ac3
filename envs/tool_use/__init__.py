"""Conversational tool use: real state, executed calls. The entry point of the domain is `domain`."""

from pivotgym.envs.tool_use.domain import ToolUse, domain

__all__ = ["ToolUse", "domain"]
