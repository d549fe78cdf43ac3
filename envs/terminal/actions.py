"""What a policy's action asks of a terminal: commands, keystrokes, a claim to be done, or nothing that can be run.

Owns: tool calls and Terminus answers -> `Request`s, with the reason for what cannot be run. Does not own: the text form
of Terminus answers (`core.formats.terminus`), running (`envs.terminal.world`) or comparing (`verifiers.terminal`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pivotgym.core.formats.terminus import Answer, read_terminus
from pivotgym.core.messages import Action, Malformed, ToolCall

SHELL_TOOLS = frozenset(
    {"bash", "shell", "sh", "terminal", "execute_bash", "run_command", "run_shell_command", "execute_command"}
    | {"bash_command", "run_bash", "run_terminal_cmd", "exec", "local_shell"}
)
"""Names under which agents offer a shell."""
COMMAND_ARGUMENTS = ("command", "cmd", "script", "commands", "code", "input")
"""Where the command stands in such a call, by preference."""
TIME_ARGUMENTS = {"timeout": 1.0, "timeout_s": 1.0, "timeout_sec": 1.0, "timeout_seconds": 1.0, "timeout_ms": 0.001}
"""Where a call asks for another time limit, with its unit in seconds."""
CLAIM_TOOLS = frozenset({"submit", "finish", "task_complete", "mark_task_complete", "done", "complete_task"})
"""Tools that say that the task is done; what they are given is no one's business here."""


@dataclass(frozen=True)
class Command:
    """A command for the shell, with the time limit that was asked for."""

    text: str
    timeout_s: float | None = None


@dataclass(frozen=True)
class Claim:
    """The task is said to be done."""

    said: str = ""


Request = Command | Claim | Answer


@dataclass(frozen=True)
class Unusable:
    """What the policy did wrong, in one sentence."""

    reason: str


def requests(action: Action) -> list[Request] | Unusable:
    """What an action asks for, in order: one request per tool call, or one Terminus answer."""
    if not action.tool_calls:
        answer = read_terminus(action.content)
        return Unusable(answer.reason) if isinstance(answer, Malformed) else [answer]
    found: list[Request] = []
    for call in action.tool_calls:
        one = _request(call)
        if isinstance(one, Unusable):
            return one
        found.append(one)
    return found


def acts(action: Action) -> bool:
    """Whether an action acts on the machine: it calls tools, or its text is (or tries to be) a Terminus answer."""
    return bool(action.tool_calls) or _tries_terminus(action.content)


def _tries_terminus(text: str) -> bool:
    body = text.rpartition("</think>")[2]
    return isinstance(read_terminus(text), Answer) or ("{" in body and '"commands"' in body)


def _request(call: ToolCall) -> Request | Unusable:
    if call.name not in SHELL_TOOLS | CLAIM_TOOLS:
        return Unusable(f"no tool is called {call.name!r} here; a shell is called 'bash'")
    if isinstance(call.arguments, str):
        return Unusable(f"{call.name}: expected a JSON object of arguments, got {call.arguments[:80]!r}")
    if call.name in CLAIM_TOOLS:
        return Claim(", ".join(str(value) for value in call.arguments.values()))
    return _command(call.name, call.arguments)


def _command(name: str, arguments: Mapping[str, Any]) -> Command | Unusable:
    place = next((one for one in COMMAND_ARGUMENTS if one in arguments), None)
    if place is None:
        return Unusable(f"{name}: the argument 'command' is missing")
    value = arguments[place]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        value = value[-1] if value[:-1] in (["bash", "-c"], ["bash", "-lc"], ["sh", "-c"]) else "\n".join(value)
    if not isinstance(value, str) or not value.strip():
        return Unusable(f"{name}: {place}: expected a command as text, got {str(value)[:80]!r}")
    if "\0" in value:
        return Unusable(f"{name}: {place}: expected a command without NUL characters")
    return Command(value, _timeout(arguments))


def _timeout(arguments: Mapping[str, Any]) -> float | None:
    """What a call asks for; something that is no time is passed over, as tools do."""
    for name, unit in TIME_ARGUMENTS.items():
        value = arguments.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
            return value * unit
    return None
