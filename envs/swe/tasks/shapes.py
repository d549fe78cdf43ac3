"""An expert's run of a mended line, in the tools of a harness: look at the failure, find the place, mend it, check.

Owns: prompts, tools and actions of the two shapes. Does not own: which task has which shape (`catalogue`), or the tools
themselves (`envs.swe.operations`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pivotgym.core.messages import Action, Tool, ToolCall

ROOT = "/testbed"
_AROUND = 10
"""Lines that are looked at before and after the place."""


@dataclass(frozen=True)
class Fix:
    """What an expert does to a file.

    Attributes:
        path: Below `ROOT`.
        line: The line that is wrong.
        before: The whole file as it is.
        after: As it should be.
        suite: The command that runs the tests.
    """

    path: str
    line: int
    before: str
    after: str
    suite: str

    @property
    def check(self) -> str:
        """The command that shows the failure, and that it is gone."""
        return f"{self.suite} -q -x --tb=short --disable-warnings -p no:cacheprovider 2>&1 | tail -n 25"

    def replaced(self) -> tuple[str, str]:
        """The shortest run of whole lines around the place that the file has once, and what it becomes."""
        old, new = self.before.split("\n"), self.after.split("\n")
        first = last = self.line - 1
        while True:
            text = "\n".join(old[first : last + 1])
            if self.before.count(text) == 1:
                return text, "\n".join(new[first : last + 1])
            first, last = max(first - 1, 0), min(last + 1, len(old) - 1)

    def patch(self) -> str:
        """The change as a unified diff."""
        texts = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(difflib.unified_diff(*texts, f"a/{self.path}", f"b/{self.path}"))

    @property
    def span(self) -> tuple[int, int]:
        """First and last line that are looked at."""
        return max(self.line - _AROUND, 1), min(self.line + _AROUND, self.before.count("\n"))


@dataclass(frozen=True)
class Shape:
    """Tasks in the tools of one harness.

    Attributes:
        harness: Its table, see `envs.swe.operations`.
        system: The system prompt.
        tools: What the policy can call.
        shell: The name of the tool that runs commands.
        gold: An expert's actions.
        end: How the work is handed in.
    """

    harness: str
    system: str
    tools: tuple[Tool, ...]
    shell: str
    gold: Callable[[Fix], list[Action]]
    end: Action

    def commands(self, *texts: str) -> list[Action]:
        """Commands, one after the other, and the end."""
        return [*(_call(self.shell, {"command": text}) for text in texts), self.end]


def _call(name: str, arguments: Mapping[str, Any], said: str = "") -> Action:
    return Action(content=said, tool_calls=(ToolCall(name=name, arguments=dict(arguments), id="call_0"),))


def _tool(name: str, description: str, **properties: dict[str, Any]) -> Tool:
    required = [key for key, value in properties.items() if not value.pop("optional", False)]
    schema = {"type": "object", "properties": properties, "required": required}
    return Tool(name=name, description=description, parameters=schema)


def _text(description: str, *, optional: bool = False) -> dict[str, Any]:
    return {"type": "string", "description": description, "optional": optional}


_SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
_BASH = _tool("bash", "Run a command in a new bash shell in the repository.", command=_text("The command."))
_EXECUTE = _tool(
    "execute_bash", "Run a command in the session's bash shell; it lives on.", command=_text("The command.")
)
_EDITOR = _tool(
    "str_replace_editor",
    "View, create and edit files. `str_replace` replaces the one exact occurrence of `old_str`.",
    command={"type": "string", "enum": ["view", "create", "str_replace", "insert", "undo_edit"]},
    path=_text("Absolute path of a file or folder."),
    file_text=_text("For `create`.", optional=True),
    old_str=_text("For `str_replace`.", optional=True),
    new_str=_text("For `str_replace` and `insert`.", optional=True),
    insert_line={"type": "integer", "description": "For `insert`: the line after which.", "optional": True},
    view_range={"type": "array", "items": {"type": "integer"}, "description": "For `view`.", "optional": True},
)
_FINISH = _tool("finish", "Hand in the work.", message=_text("What was done.", optional=True))


def _bash_gold(fix: Fix) -> list[Action]:
    old, new = fix.replaced()
    first, last = fix.span
    program = (
        f"from pathlib import Path\n\nfile = Path({fix.path!r})\ntext = file.read_bytes().decode()\nold = {old!r}\n"
        f"new = {new!r}\nassert text.count(old) == 1\nfile.write_bytes(text.replace(old, new).encode())\n"
    )
    steps = {
        "First I look at how the tests fail.": fix.check,
        f"The failure points into {fix.path}; I read the code around it.": f"sed -n '{first},{last}p' {fix.path}",
        "Here is the mistake. I mend it.": f"python - <<'EOF'\n{program}EOF",
        "Now the whole suite again.": fix.check,
    }
    submit = _call("bash", {"command": _SUBMIT})
    return [*(_call("bash", {"command": text}, said) for said, text in steps.items()), submit]


def _editor_gold(fix: Fix) -> list[Action]:
    old, new = fix.replaced()
    path = f"{ROOT}/{fix.path}"
    editor = _EDITOR.name
    return [
        _call("execute_bash", {"command": fix.check}, "First I look at how the tests fail."),
        _call(
            editor,
            {"command": "view", "path": path, "view_range": list(fix.span)},
            f"The failure points into {fix.path}; I read the code around it.",
        ),
        _call(
            editor,
            {"command": "str_replace", "path": path, "old_str": old, "new_str": new},
            "Here is the mistake. I mend it.",
        ),
        _call("execute_bash", {"command": fix.check}, "Now the whole suite again."),
        _call("finish", {"message": f"Mended {fix.path}; the suite passes."}),
    ]


_ASKED = (
    f"You mend bugs in the Python package at {ROOT}. Its tests run with `python -m pytest`. Change the package's own "
    "code, not its tests. "
)
SHAPES: Mapping[str, Shape] = {
    "mini_swe_agent": Shape(
        "mini_swe_agent",
        f"{_ASKED}Each call of `bash` runs one command in a new shell. When you are done, run `{_SUBMIT}`.",
        (_BASH,),
        "bash",
        _bash_gold,
        _call("bash", {"command": _SUBMIT}),
    ),
    "openhands": Shape(
        "openhands",
        f"{_ASKED}Use `execute_bash` for commands and `str_replace_editor` for files. In the end, call `finish`.",
        (_EXECUTE, _EDITOR, _FINISH),
        "execute_bash",
        _editor_gold,
        _call("finish", {"message": "Done."}),
    ),
}
"""Shapes by the harness whose tools they are."""
