"""What a family makes of a seed: `Exercise`, with its `Start`.

Owns: these records and how a start becomes an origin. Does not own: the checks (`checks`), or building the start.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pivotgym.core.trajectory import Origin
from pivotgym.envs.terminal.tasks.checks import Check

Commands = tuple[str, ...]
"""Bash commands, one per turn."""


@dataclass(frozen=True)
class Start:
    """The machine a task begins on.

    Attributes:
        files: Content by absolute path; folders on the way are made.
        modes: Permission bits of files and folders that have others than 0o644 and 0o755.
        folders: Folders that hold no file.
        links: Target of each symbolic link by absolute path.
        setup: Bash script run once, as root, when the start is built: for what files alone cannot say.
        cwd: Where the session begins.
    """

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    setup: str = ""
    cwd: str = "/root"

    def origin(self) -> Origin:
        """The start as an origin of kind `sandbox`."""
        fields: dict[str, Any] = {
            "files": {path: _file(content, self.modes.get(path)) for path, content in self.files.items()},
            "folders": {
                **dict.fromkeys(self.folders, 493),
                **{path: mode for path, mode in self.modes.items() if path not in self.files},
            },
            "links": dict(self.links),
            "setup": self.setup,
        }
        return Origin(kind="sandbox", cwd=self.cwd, **{name: value for name, value in fields.items() if value})


def _file(content: str | bytes, mode: int | None) -> str | dict[str, Any]:
    body: dict[str, Any]
    if isinstance(content, bytes):
        body = {"base64": base64.b64encode(content).decode()}
    elif mode is None:
        return content
    else:
        body = {"text": content}
    return body if mode is None else {**body, "mode": mode}


@dataclass(frozen=True)
class Exercise:
    """A task with all that is known about it. Only the instruction and the start are shown to a policy.

    Attributes:
        instruction: What is asked, as a person would write it.
        start: The machine.
        checks: What must hold at the end; all of them.
        gold: An expert's commands.
        alternative: Another right solution, with other tools where that is possible.
        cheats: Commands that look like a solution and are none, by what they try.
    """

    instruction: str
    start: Start
    checks: tuple[Check, ...]
    gold: Commands
    alternative: Commands
    cheats: Mapping[str, Commands]


@dataclass(frozen=True)
class Family:
    """Tasks of one sort.

    Attributes:
        name: First part of its tasks' ids.
        make: The task of a random source; equal sources give equal tasks.
        needs: Programs beyond bash and coreutils that its start or its own solutions run.
    """

    name: str
    make: Callable[[Random], Exercise]
    needs: tuple[str, ...] = ()

    def exercise(self, seed: int) -> Exercise:
        """The task of a seed."""
        return self.make(Random(f"{self.name}/{seed}"))
