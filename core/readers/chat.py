"""OpenAI chat JSON Lines: one run per line, `messages` with `tool_calls` and `role: tool`.

Owns: which row fields are ours, which are kept as metadata, and the origin that can be derived from a row. Does not
own: tools that a file does not carry (`tools=` hands them in).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pivotgym.core.jsonl import OnError, ReadReport, read_lines, write_records
from pivotgym.core.messages import Tool
from pivotgym.core.readers import search_runs
from pivotgym.core.trajectory import Origin, Trajectory

_OURS = {
    "id", "domain", "messages", "tools", "origin", "outcome", "reward", "candidates", "accepted", "source", "licence",
    "metadata", "schema_version",
}  # fmt: skip

_BLOBS = re.compile(
    r"^diff --git a/(\S+) b/\S+\n(?:(?:old mode|new mode) .*\n)*index ([0-9a-f]{7,40})\.\.", re.MULTILINE
)
_FILES = re.compile(r"^(?=diff --git a/)", re.MULTILINE)
_CHANGED = re.compile(r"diff --git a/(\S+) b/\S+\nindex ")


def read_chat(
    path: str | Path,
    *,
    domain: str | None = None,
    tools: list[Tool] | None = None,
    on_error: OnError = "stop",
    report: ReadReport | None = None,
) -> Iterator[Trajectory]:
    """Yield the trajectories of a chat file, one line in memory.

    Args:
        path: JSON Lines, optionally gzipped.
        domain: The domain of rows that name none.
        tools: The tools of rows that carry none; without it, those of `<toolkit>_tools.json` beside the file, where
            a row's origin names a toolkit and there is such a file.
        on_error: `stop` (default) or `skip`, see `core.jsonl.read_lines`.
        report: Filled with counts and reasons.

    Raises:
        BadLine: At the first bad line, with `on_error="stop"`.
    """
    stem = Path(path).stem
    counter = iter(range(10**12))
    beside = functools.cache(functools.partial(_tools_beside, Path(path)))

    def parse(row: dict[str, Any]) -> Trajectory:
        offered = beside(str(derive_origin(row).get("toolkit"))) if tools is None else tools
        if search_runs.is_search_run(row):
            row = {"origin": search_runs.origin_of(Path(path).parent), "accepted": search_runs.accepted_of(row), **row}
        return from_chat_row(row, number=next(counter), stem=stem, domain=domain, tools=offered)

    return read_lines(path, parse, on_error=on_error, report=report)


def from_chat_row(
    row: dict[str, Any], *, number: int, stem: str, domain: str | None = None, tools: list[Tool] | None = None
) -> Trajectory:
    """One row as a trajectory; fields that are not ours go to `metadata` as they are."""
    if "messages" not in row:
        raise ValueError("expected a field `messages`")
    if domain is None and "domain" not in row:
        raise ValueError("expected a field `domain`, or the argument domain=")
    rest = {key: value for key, value in row.items() if key not in _OURS}
    rest.update(_derive_task(row) if "task" not in rest else {})
    outcome = row.get("outcome", row.get("reward"))
    return Trajectory.model_validate(
        {
            "id": str(row.get("id", f"{stem}/{number}")),
            "domain": row.get("domain", domain),
            "messages": row["messages"],
            "tools": row["tools"] if row.get("tools") else tools or [],
            "origin": row.get("origin") or derive_origin(row),
            "outcome": None if outcome is None else float(outcome),
            **{key: row[key] for key in ("candidates", "accepted", "source", "licence") if key in row},
            "metadata": {**row.get("metadata", {}), **rest},
        }
    )


def derive_origin(row: dict[str, Any]) -> Origin:
    """The origin a row's own fields tell of; kind `none` where they tell of none."""
    env = str(row.get("env", ""))
    if env.startswith("tau-bench/"):
        return Origin.model_validate({"kind": "tau", "toolkit": env.removeprefix("tau-bench/")})
    if "fixture" in row:
        return Origin.model_validate({"kind": "filesystem", "fixture": row["fixture"], "shell": "session"})
    if "instance_id" in row:
        return Origin.model_validate({"kind": "git", "instance_id": row["instance_id"], **_run_of_mini_swe(row)})
    return Origin(kind="none")


def _run_of_mini_swe(row: dict[str, Any]) -> dict[str, Any]:
    """What a run of mini-swe-agent tells of its start: the harness, the blobs that its diffs change, earlier changes.

    What its patch changes without that any action names the file was changed before the run began.
    """
    told = (str(message.get("content")) for message in row["messages"] if message.get("role") == "tool")
    found: dict[str, Any] = {"harness": "mini_swe_agent"} if next(told, "").startswith("<returncode>") else {}
    submitted = str(row.get("submission") or "")
    shown = "\n".join(str(message.get("content")) for message in row["messages"] if message.get("role") == "tool")
    blobs = {path: blob for path, blob in _BLOBS.findall(f"{shown}\n{submitted}") if blob.strip("0")}
    said = json.dumps([message for message in row["messages"] if message.get("role") == "assistant"])
    earlier = [one for one in _FILES.split(submitted) if (path := _CHANGED.match(one)) and _name(path[1]) not in said]
    return found | ({"blobs": blobs} if blobs else {}) | ({"patch": "".join(earlier)} if earlier else {})


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _derive_task(row: dict[str, Any]) -> dict[str, str]:
    """The task that a tau-bench row is a run of: runs of one task share it, a scripted replay is its own."""
    env = str(row.get("env", ""))
    if not env.startswith("tau-bench/"):
        return {}
    return {"task": f"{env}/{row['task_id']}" if "task_id" in row else str(row.get("id", env))}


def _tools_beside(path: Path, toolkit: str) -> list[Tool]:
    file = path.parent / f"{toolkit}_tools.json"
    if not file.is_file():
        return []
    return [Tool.model_validate(entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def to_chat_row(trajectory: Trajectory) -> dict[str, Any]:
    """A row that `from_chat_row` reads back to the same trajectory; metadata stands at the top level."""
    row = trajectory.to_json()
    row["messages"] = [message.to_json() for message in trajectory.messages]
    metadata = row.pop("metadata", {})
    clash = {key: value for key, value in metadata.items() if key in _OURS}
    row.update({key: value for key, value in metadata.items() if key not in _OURS})
    if clash:
        row["metadata"] = clash
    return row


def write_chat(path: str | Path, trajectories: Iterable[Trajectory]) -> int:
    """Write a chat file atomically and return how many rows it holds."""
    return write_records(path, (to_chat_row(trajectory) for trajectory in trajectories))
