"""The pinned `bfcl-eval` wheel: fetching it and reading its data files.

Owns: which wheel, and where its files lie. Does not own: what the records mean (`trajectories`, `world`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from pivotgym.core.wheels import Wheel, fetch_wheel, find_wheel

WHEEL = Wheel("bfcl-eval", "2026.3.23", "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a")
LICENCE = "Apache-2.0"
SOURCE = f"{WHEEL.name}=={WHEEL.version}"
CLASS_FILES = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "TwitterAPI": "posting_api",
    "VehicleControlAPI": "vehicle_control",
}
"""The multi-turn API classes and the name of their module and of their function documentation."""


def fetch(cache: Path | None = None) -> Path:
    """Download, check and unpack the wheel unless it is there; the folder that holds `bfcl_eval/`.

    Raises:
        Unreachable: If it cannot be downloaded.
        MissingDependency: If what came is another file.
    """
    return fetch_wheel(WHEEL, cache=cache)


def locate(cache: Path | None = None) -> Path:
    """The folder that holds `bfcl_eval/`.

    Raises:
        MissingDependency: If the wheel was not fetched.
    """
    return find_wheel(WHEEL, fetch_name="bfcl", cache=cache)


def code_folder(cache: Path | None = None) -> Path:
    """Where the source of the API classes lies. Raises as `locate`."""
    return locate(cache) / "bfcl_eval" / "eval_checker" / "multi_turn_eval" / "func_source_code"


def questions(category: str, cache: Path | None = None) -> dict[str, dict[str, Any]]:
    """The questions of a category by id, in file order. Raises as `locate`."""
    return _records(_data(cache) / f"BFCL_v4_{category}.json")


def answers(category: str, cache: Path | None = None) -> dict[str, Any]:
    """The ground truth of a category by id. Raises as `locate`."""
    records = _records(_data(cache) / "possible_answer" / f"BFCL_v4_{category}.json")
    return {name: record["ground_truth"] for name, record in records.items()}


def function_docs(class_name: str, cache: Path | None = None) -> dict[str, dict[str, Any]]:
    """BFCL's documentation of the functions of an API class, by name, in file order. Raises as `locate`."""
    path = _data(cache) / "multi_turn_func_doc" / f"{CLASS_FILES[class_name]}.json"
    return _docs(path)


def _data(cache: Path | None) -> Path:
    return locate(cache) / "bfcl_eval" / "data"


@lru_cache(maxsize=64)
def _records(path: Path) -> dict[str, dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return {record["id"]: record for record in map(json.loads, filter(str.strip, lines))}


@lru_cache(maxsize=16)
def _docs(path: Path) -> dict[str, dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return {doc["name"]: doc for doc in map(json.loads, filter(str.strip, lines))}
