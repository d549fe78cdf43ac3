"""A task folder of Harbor, played through a server: as told, and without doing anything.

Run: see README.md beside this file.
"""

from __future__ import annotations

import os
from typing import Any

from pivotgym.servers.client import Client

TASK = "harbor/count-errors"
LOOK = "head -n 3 service.log"
SOLVE = "grep -c '^[^ ]* ERROR ' service.log > errors.txt"
GUESS = "grep -c ERROR service.log > errors.txt"
"""Counts a warning that names an error, too."""


def bash(command: str) -> dict[str, Any]:
    """An assistant message with one command."""
    called = {"name": "bash", "arguments": {"command": command}}
    return {"role": "assistant", "tool_calls": [{"type": "function", "function": called}]}


def played(client: Client, *commands: str) -> float:
    """The reward of a whole episode: the commands, then a message that says it is done.

    Raises:
        PivotGymError: The server, the sandbox or the tests broke: never a reward.
    """
    with client.session(task_id=TASK) as session:
        for command in commands:
            print(f"$ {command}\n{session.step(bash(command)).observation}".rstrip())
        return float(session.step({"role": "assistant", "content": "It is done."}).reward)


def main() -> None:
    """Play the task three times, and print what each pays."""
    with Client(os.environ["PIVOTGYM_URL"], token=os.environ.get("PIVOTGYM_TOKEN"), timeout_s=300) as client:
        print("solved:", played(client, LOOK, SOLVE))
        print("guessed:", played(client, GUESS))
        print("idle:", played(client))


if __name__ == "__main__":
    main()
