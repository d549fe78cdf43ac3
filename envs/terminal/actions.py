"""What an action asks the machine for, one request per call, so that each call gets its observation.

Owns: the order of requests, and the time limit a call asks for. Does not own: which tools are shells and what makes an
action invalid (`verifiers.shell.actions`), or the text of Terminus answers (`core.formats.terminus`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pivotgym.core.formats.terminus import Keystrokes, speaks_terminus
from pivotgym.core.messages import Action, ToolCall
from pivotgym.verifiers.shell.actions import read_request

TIME_ARGUMENTS = {"timeout": 1.0, "timeout_s": 1.0, "timeout_sec": 1.0, "timeout_seconds": 1.0, "timeout_ms": 0.001}
"""Where a call asks for another time limit, with its unit in seconds."""


@dataclass(frozen=True)
class Command:
    """A command for the shell, with the time limit that was asked for."""

    text: str
    timeout_s: float | None = None


@dataclass(frozen=True)
class Claim:
    """The task is said to be done."""


@dataclass(frozen=True)
class Keys:
    """Keys for the terminal, in order."""

    typed: tuple[Keystrokes, ...]


Request = Command | Claim | Keys


@dataclass(frozen=True)
class Unusable:
    """What the policy did wrong, in one sentence."""

    reason: str


def requests(action: Action) -> list[Request] | Unusable:
    """What an action asks for, in order; a Terminus answer is its keys, then its claim."""
    if not action.tool_calls:
        read = read_request(action, keys=True)
        if isinstance(read, str):
            return Unusable(read)
        return [Keys(read.keystrokes or ()), *(Claim() for _ in read.endings)]
    found: list[Request] = []
    for call in action.tool_calls:
        one = _request(call)
        if isinstance(one, Unusable):
            return one
        found.append(one)
    return found


def acts(action: Action) -> bool:
    """Whether an action acts on the machine: it calls tools, or its text is, or tries to be, a Terminus answer."""
    return bool(action.tool_calls) or speaks_terminus(action.content) or _tries_terminus(action.content)


def _tries_terminus(text: str) -> bool:
    """A broken answer is the policy's fault, and no message to a user."""
    answer = text.rpartition("</think>")[2]
    return "{" in answer and '"commands"' in answer


def _request(call: ToolCall) -> Request | Unusable:
    read = read_request(Action(tool_calls=(call,)))
    if isinstance(read, str):
        return Unusable(read)
    if read.endings:
        return Claim()
    if not read.commands:
        return Unusable(f"no tool is called {call.name!r} here: the shell is called 'bash'")
    if "\0" in read.commands[0]:
        return Unusable(f"{call.name}: expected a command without NUL characters")
    return Command(read.commands[0], _timeout(call))


def _timeout(call: ToolCall) -> float | None:
    """What a call asks for; something that is no time is passed over, as tools do."""
    arguments = call.arguments if isinstance(call.arguments, dict) else {}
    for name, unit in TIME_ARGUMENTS.items():
        value = arguments.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
            return value * unit
    return None
