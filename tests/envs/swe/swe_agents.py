"""A small repository, calls, and an agent in its world."""

import os
import subprocess
from pathlib import Path

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects

REPO = "some/repo"
CALC = "def add(a, b):\n    return a - b\n\n\ndef twice(a):\n    return 2 * a\n"
FILES = {
    "pkg/__init__.py": "",
    "pkg/calc.py": CALC,
    "tests/test_calc.py": (
        "from pkg.calc import add, twice\n\n\ndef test_add():\n    assert add(2, 3) == 5\n\n\n"
        "def test_twice():\n    assert twice(4) == 8\n"
    ),
    "README.md": "".join(f"line {number}\n" for number in range(1, 151)),
}


def git(folder: Path, *arguments: str) -> str:
    plain = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}
    named = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | plain | named, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def call(tool: str, **arguments) -> Action:
    return Action(tool_calls=(ToolCall(name=tool, arguments=arguments),))


class Agent:
    """A world at its start, with shortcuts."""

    def __init__(self, world) -> None:
        self.world = world

    def do(self, tool: str, **arguments) -> Effects:
        return self.world.run(call(tool, **arguments))

    def says(self, tool: str, **arguments) -> str:
        return self.do(tool, **arguments).observations[0]

    def bash(self, command: str) -> str:
        return self.says("bash", command=command)
