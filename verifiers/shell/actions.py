"""What an action asks of a terminal: commands, keystrokes, a claim that the task is done, or words.

Owns: which tools are shells and which end the task, where their commands stand, and what makes an action invalid. Does
not own: the text of Terminus answers (`core.formats.terminus`), schemas (`verifiers.schema`), or running anything.

A shell's name and its argument are read from the tables below; a tool that is in neither is a shell where it is offered
with one of these arguments and its name or description speaks of one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pivotgym.core.formats.terminus import Answer, Keystrokes, read_terminus, speaks_terminus
from pivotgym.core.messages import Action, Malformed, Tool, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.verifiers.schema import Signature

SHELLS = frozenset(
    {
        "bash",
        "bash_command",
        "bash_tool",
        "cmd",
        "command",
        "exec",
        "exec_command",
        "execute",
        "execute_bash",
        "execute_command",
        "execute_shell_command",
        "local_shell",
        "run",
        "run_bash",
        "run_command",
        "run_in_terminal",
        "run_shell",
        "run_shell_command",
        "run_terminal_cmd",
        "run_terminal_command",
        "sh",
        "shell",
        "shell_command",
        "terminal",
    }
)
"""Names of tools that run commands, in lower case, words joined by `_`."""
COMMAND_ARGUMENTS = ("command", "cmd", "commands", "script", "code", "input", "keystrokes")
"""Where the command stands, the first that the tool has."""
ENDINGS = frozenset(
    {
        "answer",
        "attempt_completion",
        "complete",
        "done",
        "final_answer",
        "finish",
        "mark_task_complete",
        "return_result",
        "submit",
        "submit_answer",
        "submit_flag",
        "task_complete",
    }
)
"""Names of tools that hand in an answer or say that the task is done."""
_UNHEARD = frozenset({"description", "explanation", "reason", "security_risk", "thought", "timeout", "timeout_ms"})
"""Arguments of shells that change nothing of what a command does within its time."""
_SPEAKS_OF_SHELL = re.compile(r"\b(?:bash|shell|terminal|command[- ]line)\b", re.I)


@dataclass(frozen=True)
class Ending:
    """A claim that the task is done, with what is handed in: the arguments of the call, or nothing."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """An action, read.

    Attributes:
        commands: Shell commands in order; for keystrokes, what is typed, put together, as one.
        keystrokes: What a Terminus answer types; `None` for every other action.
        endings: Claims that the task is done, in order.
        others: Calls of tools that are neither, in order.
        options: For each command, what else is asked of the shell: a folder, input for a running program. Explanations
            and time limits are left out.
        text: What is said beside; for an action that calls nothing, its message.
    """

    commands: tuple[str, ...] = ()
    keystrokes: tuple[Keystrokes, ...] | None = None
    endings: tuple[Ending, ...] = ()
    others: tuple[ToolCall, ...] = ()
    options: tuple[Mapping[str, Any], ...] = ()
    text: str = ""

    @property
    def complete(self) -> bool:
        """Whether it claims that the task is done."""
        return bool(self.endings)

    @property
    def acts(self) -> bool:
        """Whether it does more than talk."""
        return self.keystrokes is not None or bool(self.commands or self.endings or self.others)


def types_keys(pivot: Pivot) -> bool:
    """Whether the policy of a pivot answers in Terminus JSON: its expert does, and no tools are called."""
    return not pivot.reference.tool_calls and speaks_terminus(pivot.reference.content)


def read_request(action: Action, tools: Sequence[Tool] = (), *, keys: bool = False) -> Request | str:
    """An action as a request, or why it is invalid, in one sentence.

    Args:
        action: The action.
        tools: What was offered; without any, every call is read by the tables alone.
        keys: Whether an answer in Terminus JSON is expected, see `types_keys`.
    """
    if keys:
        return _typed(action)
    if not action.tool_calls:
        return Request(text=action.content) if action.content.strip() else "the action is empty: expected a call"
    offered = {tool.name: tool for tool in tools}
    commands: list[str] = []
    options: list[Mapping[str, Any]] = []
    endings: list[Ending] = []
    others: list[ToolCall] = []
    for call in action.tool_calls:
        if isinstance(call.arguments, str):
            return f"{call.name}: expected a JSON object as arguments, got {call.arguments[:80]!r}"
        if offered and call.name not in offered:
            return f"no tool is called {call.name!r}; the tools are {sorted(offered)}"
        place = shell_argument(call, offered.get(call.name))
        if place is not None:
            command = _command(call, place)
            if command is None:
                return f"{call.name}: expected a command as text in {place!r}, got {_shown(call.arguments.get(place))}"
            commands.append(command)
            options.append({name: call.arguments[name] for name in sorted(call.arguments.keys() - _UNHEARD - {place})})
        elif _plain(call.name) in ENDINGS:
            endings.append(Ending(call.name, call.arguments))
        else:
            others.append(call)
    return Request(tuple(commands), None, tuple(endings), tuple(others), tuple(options), action.content)


def problem_of(action: Action, pivot: Pivot, signatures: Mapping[str, Signature]) -> str | None:
    """Why an action at a pivot is invalid, in one sentence; `None` if it is not.

    Raises:
        PivotRefused: If a tool's schema cannot be used.
    """
    request = read_request(action, pivot.tools, keys=types_keys(pivot))
    if isinstance(request, str):
        return request
    problems = (signatures[call.name].problem(call) for call in action.tool_calls if call.name in signatures)
    return next((problem for problem in problems if problem is not None), None)


def shell_argument(call: ToolCall, tool: Tool | None = None) -> str | None:
    """The argument in which a shell's command stands; `None` where the tool is no shell."""
    properties = (tool.parameters.get("properties") or {}) if tool is not None else {}
    named = _plain(call.name) in SHELLS
    spoken = tool is not None and bool(_SPEAKS_OF_SHELL.search(f"{call.name.replace('_', ' ')} {tool.description}"))
    if not named and not spoken:
        return None
    known = properties or (call.arguments if isinstance(call.arguments, dict) else {})
    # An argument of few values (`view`, `create`, ...) is an editor's, not a command.
    found = next((name for name in COMMAND_ARGUMENTS if name in known and "enum" not in _schema(known[name])), None)
    return found if found or not named else next(iter(properties), COMMAND_ARGUMENTS[0])


def _schema(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition(".")[2])
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower())


def _command(call: ToolCall, place: str) -> str | None:
    """The command of a shell's call; `None` where there is none. A list of words is what `exec` would be given."""
    assert isinstance(call.arguments, dict)
    value = call.arguments.get(place)
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        shell = len(value) == 3 and value[0].rpartition("/")[2] in ("bash", "sh") and value[1] in ("-c", "-lc")
        value = value[2] if shell else shlex.join(value)
    return value if isinstance(value, str) and value.strip() else None


def _typed(action: Action) -> Request | str:
    if action.tool_calls:
        return "expected a JSON object with analysis, plan and commands as text, got a call"
    answer: Answer | Malformed = read_terminus(action.content)
    if isinstance(answer, Malformed):
        return answer.reason
    typed = "".join(one.keys for one in answer.commands)
    endings = (Ending("task_complete", {}),) if answer.complete else ()
    return Request((typed,) if typed else (), answer.commands, endings)


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]
