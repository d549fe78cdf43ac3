"""An MCP server's tools as an environment: verdicts at each turn of an expert's run, and a session that is forked.

Run: see README.md beside this file.
"""

from __future__ import annotations

import os
from typing import Any

from pivotgym.servers.client import Client

PIVOT = "mcp/todo/plants:2"
"""Two tasks are on the list; the expert ticks off the second."""


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """An assistant message with one call."""
    return {
        "role": "assistant",
        "tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}}],
    }


def both(*messages: dict[str, Any]) -> dict[str, Any]:
    """An assistant message with the calls of several."""
    return {"role": "assistant", "tool_calls": [one for message in messages for one in message["tool_calls"]]}


CANDIDATES = {
    "the same": call("complete_task", id=2),
    "a look first": both(call("list_tasks"), call("complete_task", id=2)),
    "the other task": call("complete_task", id=1),
    "off the list": call("remove_task", id=2),
    "a look only": call("list_tasks"),
}


def main() -> None:
    """Print the verdicts, then what a session and its fork show."""
    with Client(os.environ["PIVOTGYM_URL"], token=os.environ.get("PIVOTGYM_TOKEN")) as client:
        for name, action in CANDIDATES.items():
            verdict = client.verify(PIVOT, action)
            print(f"{name}: {verdict.reward:g} ({verdict.method})")
        with client.session(pivot_id=PIVOT, horizon="episode") as session, session.fork() as copy:
            session.step(call("remove_task", id=1))
            print("session:", session.step(call("list_tasks")).observation)
            print("fork:", copy.step(call("list_tasks")).observation)


if __name__ == "__main__":
    main()
