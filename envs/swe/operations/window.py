"""SWE-agent's window on a file: which lines are seen after opening, jumping and scrolling.

Owns: the window's state as a value, and moving it. Does not own: the file's text, or rendering it.

As in SWE-agent 1.x: a jump puts the line a sixth of the window below its top; scrolling moves a window less the
overlap; the window never leaves the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pivotgym.verifiers.code.operations import Insert, Move, Operation, Replace, ReplaceLines, Search, View
from pivotgym.verifiers.code.patches import Refused

_NOTHING_OPEN = "No file open. Use the open command first."


@dataclass(frozen=True)
class Window:
    """What is seen: `size` lines of a file from line `first` (1-based) on; no path where nothing is open."""

    path: str | None = None
    first: int = 1
    size: int = 100
    overlap: int = 2

    def span(self, total: int) -> tuple[int, int]:
        """First and last line seen of a file of `total` lines; the last is 0 for an empty file."""
        return self.first, min(self.first + self.size - 1, total)


def moved(window: Window, move: Move, total: int) -> Window | Refused:
    """The window after a move.

    Args:
        window: The window before it.
        move: What to do.
        total: Lines of the file that is then open.
    """
    if move.to == "open" and move.path is not None:
        return _jumped(replace(window, path=move.path), min(max(move.line or 1, 1), max(total, 1)), total)
    if window.path is None:
        return Refused(_NOTHING_OPEN)
    if move.to == "open":
        return window
    if move.to == "goto":
        line = move.line or 1
        if not 1 <= line <= max(total, 1):
            return Refused(f"Error: expected a line of the file, 1 to {total}, got {line}")
        return _jumped(window, line, total)
    step = window.size - window.overlap
    return _within(window, window.first + (step if move.to == "down" else -step), total)


def resolved(operation: Operation, window: Window, total: int) -> Operation | Refused:
    """An operation with the open file where it names none, and the lines that the window shows.

    Args:
        operation: Any; those that name their file stay as they are.
        window: The window.
        total: Lines of the open file.
    """
    if isinstance(operation, Move):
        after = moved(window, operation, total)
        return after if isinstance(after, Refused) else View((after.path or "",), (after.span(total),))
    if isinstance(operation, Search) and not operation.where and not operation.recursive:
        return replace(operation, where=(window.path,)) if window.path else Refused(_NOTHING_OPEN)
    if isinstance(operation, Replace | ReplaceLines | Insert) and not operation.path:
        if window.path is None:
            return Refused(_NOTHING_OPEN)
        if isinstance(operation, ReplaceLines) and operation.first == 0:
            first, last = window.span(total)
            return replace(operation, path=window.path, first=first, last=max(last, first))
        return replace(operation, path=window.path)
    return operation


def _jumped(window: Window, line: int, total: int) -> Window:
    return _within(window, int(line - 1 - window.size / 6) + 1, total)


def _within(window: Window, first: int, total: int) -> Window:
    return replace(window, first=max(1, min(first, total - window.size + 1)))
