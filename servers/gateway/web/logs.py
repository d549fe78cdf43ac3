"""The small files of a run: training logs, stages, evaluations, settings.

Owns: reading them leniently, since a page must show what there is while a run writes it. Does not own: what they mean
(`trainer`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pivotgym.servers.gateway.web.lines import clean, is_number, parse

MOST_BYTES = 64 * 2**20
"""Of a file, from its end, that is read."""


def objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file; lines that are none are left out, such as one being written."""
    try:
        stat = path.stat()
        return list(_objects(path, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    except OSError:  # it went away since it was found: there is nothing to show
        return []


@lru_cache(maxsize=64)
def _objects(path: Path, *seen: int) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    with open(path, "rb") as file:
        file.seek(max(0, seen[1] - MOST_BYTES))
        for line in file:
            try:
                found.append(parse(line))
            except (ValueError, RecursionError):
                continue
    return tuple(found)


def steps(path: Path) -> list[dict[str, float]]:
    """A training log: for each step its newest line, the numbers of it."""
    rows: dict[float, dict[str, float]] = {}
    for line in objects(path):
        numbers = {clean(name): float(value) for name, value in line.items() if is_number(value)}
        if "step" in numbers:
            rows[numbers["step"]] = numbers
    return [rows[step] for step in sorted(rows)]


def stages(path: Path) -> list[dict[str, Any]]:
    """The stages that are done: name, seconds, what they said."""
    newest = {clean(row.get("stage", "?")): row for row in objects(path)}
    return [
        {"stage": name, "wall_s": _seconds(row.get("wall_s")), "line": clean(row.get("line", ""))}
        for name, row in newest.items()
    ]


def arms(path: Path) -> list[dict[str, Any]]:
    """The evaluated policies: pivots, actions, mean reward."""
    rows = {(clean(row.get("arm", "?")), clean(row.get("pivot_id", ""))): row for row in objects(path)}
    rewards: dict[str, list[float]] = defaultdict(list)
    pivots: dict[str, int] = defaultdict(int)
    for (arm, _), row in rows.items():
        given = row.get("rewards")
        pivots[arm] += 1
        rewards[arm] += [float(one) for one in given if is_number(one)] if isinstance(given, list) else []
    return [
        {
            "arm": arm,
            "pivots": pivots[arm],
            "actions": len(rewards[arm]),
            "mean": math.fsum(rewards[arm]) / len(rewards[arm]) if rewards[arm] else None,
        }
        for arm in pivots
    ]


def settings(path: Path) -> dict[str, Any]:
    """The settings of a run; empty where the file is none of ours."""
    try:
        if path.stat().st_size > 2**20:
            return {}
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):  # being written, or a file of something else
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(value: Any) -> float | None:
    return float(value) if is_number(value) else None
