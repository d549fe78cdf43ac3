"""Simulated users of conversational tasks: scripted by default, or played by a language model."""

from pivotgym.envs.tool_use.users.llm import LlmUser
from pivotgym.envs.tool_use.users.scripted import ScriptedUser

__all__ = ["LlmUser", "ScriptedUser"]
