"""Runs of SWE-agent: `.traj` files, one run each.

Owns: its history -> messages. Does not own: what its tools do, or the patches beside the files.

A run with function calls has them in its history. In a run of text, each answer's action is one command line (SWE-agent
calls its tools like programs): it becomes a call of the tool `bash`, and what was observed its result. Demonstrations
are left out: they are no part of the run, though the policy saw them; `metadata["demonstrations"]` counts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pivotgym.core.errors import BadLine, NotFound
from pivotgym.core.jsonl import OnError, ReadReport, describe
from pivotgym.core.messages import Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Trajectory

HARNESS = "swe_agent"
_BASH = Tool(
    name="bash",
    description="Run a command, or one of the agent's own tools like a program.",
    parameters={"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
)


def read_swe_agent(
    path: str | Path, *, on_error: OnError = "stop", report: ReadReport | None = None
) -> Iterator[Trajectory]:
    """Yield the run of a `.traj` file, or those of all `.traj` files under a folder, by name.

    Args:
        path: File or folder.
        on_error: `stop` raises at the first bad file; `skip` counts it in `report` and goes on.
        report: Filled while reading.

    Raises:
        NotFound: If there is no such file, or no `.traj` file in the folder.
        BadLine: At the first bad file, with `on_error="stop"`.
    """
    path = Path(path)
    files = sorted(path.rglob("*.traj")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise NotFound(f"path: expected a .traj file or a folder of them, found none at {path}")
    report = report if report is not None else ReadReport()
    for file in files:
        try:
            trajectory = _read(file)
        except BadLine as error:
            if on_error == "stop":
                raise
            report.skip(error)
            continue
        report.read += 1
        yield trajectory


def _read(file: Path) -> Trajectory:
    hint = "mend or remove the file, or pass --on-error skip to count it and go on"
    try:
        return from_traj(json.loads(file.read_text(encoding="utf-8")), name=file.stem)
    except ValidationError as error:
        raise BadLine(str(file), 1, describe(error), hint=hint) from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadLine(str(file), 1, f"no run of SWE-agent: {type(error).__name__}: {error}", hint=hint) from error


def from_traj(run: Mapping[str, Any], *, name: str) -> Trajectory:
    """One run.

    Args:
        run: The object of a `.traj` file.
        name: Its instance, which the file is named after.

    Raises:
        ValueError: If it has no `history`.
    """
    history = run.get("history")
    if not isinstance(history, list):
        raise ValueError("expected a field `history` with a list")
    said = [entry for entry in history if not entry.get("is_demo")]
    messages = list(_messages(said))
    if not any(message.role == "assistant" for message in messages):
        raise ValueError("expected answers of an agent in `history`, got none")
    spoken = not any(entry.get("tool_calls") for entry in said)
    info = run.get("info") or {}
    kept = {key: info[key] for key in ("exit_status", "submission", "model_stats") if info.get(key) is not None}
    return Trajectory(
        id=name,
        domain="swe",
        messages=messages,
        tools=[_BASH] if spoken else [],
        origin=Origin.model_validate({"kind": "git", "instance_id": name, "harness": HARNESS}),
        metadata={"harness": HARNESS, "demonstrations": len(history) - len(said), **kept},
    )


def _messages(history: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    waiting: list[str] = []
    for number, entry in enumerate(history):
        role, text = entry["role"], _text(entry.get("content"))
        if role == "assistant":
            calls = _calls(entry, number)
            waiting = [call.id or "" for call in calls]
            content = entry.get("thought") if entry.get("action") else text
            yield Message(role="assistant", content=content or None, tool_calls=calls or None)
        elif waiting and role in ("tool", "user"):
            ids = entry.get("tool_call_ids") or waiting[:1]
            waiting = [one for one in waiting if one not in ids]
            yield Message(role="tool", content=text, tool_call_id=ids[0])
        else:
            yield Message(role="user" if role == "tool" else role, content=text)


def _calls(entry: Mapping[str, Any], number: int) -> list[ToolCall]:
    """The calls of an answer; in a run of text, its action."""
    given = [ToolCall.model_validate(_openai(call)) for call in entry.get("tool_calls") or []]
    if given or not str(entry.get("action") or "").strip():
        return given
    return [ToolCall(name="bash", arguments={"command": entry["action"].strip("\n")}, id=f"history_{number}")]


def _openai(call: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key in ("id", "type", "function")}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text") or "") for part in content)
    return str(content or "")
