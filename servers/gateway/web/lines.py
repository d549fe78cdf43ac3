"""Where each record of a JSON Lines file begins, so that one of ten thousand is read without the others.

A file is read through once, in a thread; later looks read what was appended. A file that was replaced is read anew.

Owns: these indexes and keeping them. Does not own: what is done with a record (`views`).
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from pydantic_core import from_json

from pivotgym.core.errors import NotFound

WAIT_S = 2.0
"""A page waits so long for a file that is read for the first time, seconds; then it says how far reading is."""
MOST_INDEXES = 64
LONGEST_LINE = 32 * 2**20
_EXCERPT = 160
_ID_FIRST = re.compile(rb'\{"schema_version": ?1, ?"(?:pivot_)?id": ?("(?:[^"\\]|\\.)*")')


class Row(NamedTuple):
    """What a list shows of one record.

    Attributes:
        id: The pivot's.
        offset: Where its line begins, bytes.
        size: Of its line, bytes.
        domain: The pivot's.
        state: The beginning of the last message.
        action: The expert's, on one line.
        rewards: Of its profile; `None` for a masked one.
    """

    id: str
    offset: int
    size: int
    domain: str = ""
    state: str = ""
    action: str = ""
    rewards: tuple[float | None, ...] | None = None

    @property
    def mean(self) -> float | None:
        """Mean of the rewards; `None` without any."""
        scored = [reward for reward in self.rewards or () if reward is not None]
        return math.fsum(scored) / len(scored) if scored else None

    @property
    def varies(self) -> bool:
        """Whether two of the rewards differ: the filter's variance above 0."""
        return len({reward for reward in self.rewards or () if reward is not None}) > 1


@dataclass(frozen=True)
class Read:
    """A file as far as it was read.

    Attributes:
        rows: By id, in the file's order; of an id given twice the last counts.
        bad: How many lines could not be read.
        reasons: Of the first of them.
        end: Where reading stopped, bytes.
        lines: How many lines there are before that.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    bad: int = 0
    reasons: tuple[str, ...] = ()
    end: int = 0
    lines: int = 0


class Index:
    """The index of one file.

    Args:
        path: The file.
        brief: Whether the ids are enough, which are read without the rest of their lines.
    """

    def __init__(self, path: Path, brief: bool = False) -> None:
        self.path, self.brief = path, brief
        self.read = Read()
        self.progress = 0.0
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] = (0, 0, 0)

    def refresh(self) -> Read:
        """Take in what is new, and return all of it.

        Raises:
            NotFound: If the file is gone or cannot be read.
        """
        with self._lock:
            try:
                with open(self.path, "rb") as file:
                    self._take(file)
            except OSError as error:
                raise NotFound(f"{self.path.name}: cannot be read: {error.strerror}") from error
            return self.read

    def _take(self, file: Any) -> None:
        stat = os.fstat(file.fileno())
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen == self._seen:
            return
        grown = stat.st_ino == self._seen[0] and stat.st_size > self._seen[1]
        before = self.read if grown else Read()
        rows, reasons, bad, end = dict(before.rows), list(before.reasons), before.bad, before.end
        number = before.lines
        file.seek(end)
        while (line := file.readline(LONGEST_LINE)).endswith(b"\n") or len(line) == LONGEST_LINE:
            number += 1
            begin, end = end, end + len(line)
            self.progress = end / max(1, stat.st_size)
            if not line.strip():
                continue
            try:
                row = (_brief(line, begin) if self.brief else None) or _row(line, begin)
                rows.pop(row.id, None)
                rows[row.id] = row
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                bad += 1
                if len(reasons) < 5:
                    reasons.append(f"line {number}: {type(error).__name__}: {str(error)[:200]}")
        self.read, self._seen = Read(rows, bad, tuple(reasons), end, number), seen

    def record(self, row: Row) -> dict[str, Any]:
        """The record of a row.

        Raises:
            NotFound: If its line cannot be read, as when the file changed since.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(row.offset)
                return parse(file.read(row.size))
        except (OSError, ValueError, RecursionError) as error:
            raise NotFound(
                f"{self.path.name}: the line of {row.id[:200]!r} cannot be read; the file may have changed since",
                hint="load the page again",
            ) from error


class Shelf:
    """The indexes of the files that were looked at last. Used from the event loop only."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[tuple[Path, bool], Index] = OrderedDict()
        self._reading: dict[tuple[Path, bool], asyncio.Task[Read]] = {}

    def index(self, path: Path, brief: bool = False) -> Index:
        """The index of a file, as far as it is."""
        index = self._indexes.pop((path, brief), None) or Index(path, brief)
        self._indexes[path, brief] = index
        if len(self._indexes) > MOST_INDEXES:
            self._indexes.popitem(last=False)
        return index

    async def read(self, path: Path, brief: bool = False) -> Read | None:
        """All rows of a file; `None` while it is still being read.

        Raises:
            NotFound: As for `Index.refresh`.
        """
        task = self._reading.get((path, brief))
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self.index(path, brief).refresh))
            self._reading[path, brief] = task
            task.add_done_callback(lambda done: self._read_whole((path, brief), done))
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        return task.result() if done else None

    def _read_whole(self, key: tuple[Path, bool], task: asyncio.Task[Read]) -> None:
        self._reading.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever still waits is told; where nobody does, the next look fails the same way


def parse(line: bytes) -> dict[str, Any]:
    """A line's object. Raises `ValueError` where it is none."""
    try:
        found = from_json(line, allow_inf_nan=True)
    except ValueError:
        found = json.loads(line)  # takes lone surrogates, which policies do write
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object, got {type(found).__name__}")
    return found


def clean(text: object) -> str:
    """A text that can be written as UTF-8."""
    return str(text).encode("utf-8", "replace").decode()


def _brief(line: bytes, offset: int) -> Row | None:
    """A row of the id alone, where the line begins as our writers begin them."""
    found = _ID_FIRST.match(line)
    return Row(clean(json.loads(found[1])), offset, len(line)) if found is not None else None


def _row(line: bytes, offset: int) -> Row:
    record = parse(line)
    if "pivot_id" in record:
        return Row(clean(record["pivot_id"]), offset, len(line))
    messages, profile = record.get("messages"), record.get("profile")
    rewards = profile.get("rewards") if isinstance(profile, dict) else None
    return Row(
        clean(record["id"]),
        offset,
        len(line),
        clean(record.get("domain", "")),
        _excerpt(messages[-1].get("content")) if isinstance(messages, list) and messages else "",
        _one_line(record.get("reference")),
        tuple(map(_number, rewards)) if isinstance(rewards, list) else None,
    )


def _number(value: Any) -> float | None:
    return min(1.0, max(0.0, float(value))) if is_number(value) else None


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a number that can be drawn."""
    return isinstance(value, int | float) and -1e300 < value < 1e300


def _excerpt(content: Any) -> str:
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return " ".join(clean(content or "")[: 4 * _EXCERPT].split())[:_EXCERPT]


def _one_line(reference: Any) -> str:
    if not isinstance(reference, dict):
        return ""
    calls = reference.get("tool_calls") or ()
    said = [
        f"{call['function'].get('name', '?')}({call['function'].get('arguments', '')})"
        for call in calls
        if isinstance(call, dict) and isinstance(call.get("function"), dict)
    ]
    return _excerpt("; ".join(said) or reference.get("content"))
