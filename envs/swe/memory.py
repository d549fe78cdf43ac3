"""What an agent's tools remember between calls: the window on the open file, and texts before edits.

Owns: that memory as a value and as a file of the machine. Does not own: what tools do with it (`tools`).

It lies in a file outside the repository, so that snapshots, forks and kept states hold it without more ado; no
comparison sees it (`PATH` is left out of changes).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from pivotgym.envs.swe.operations.window import Window

PATH = "/var/lib/pivotgym-tools.json"
MAX_UNDOS = 10
"""Texts kept of each file."""
MAX_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Memory:
    """The window, and texts before each file's last edits, the newest last; `None` for a file that was not there."""

    window: Window = field(default_factory=Window)
    undos: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)

    def edited(self, path: str, before: str | None) -> Memory:
        """After an edit of a file."""
        texts = (*self.undos.get(path, ()), before)[-MAX_UNDOS:]
        return Memory(self.window, {**self.undos, path: texts})

    def undone(self, path: str) -> Memory:
        """After the last edit of a file was taken back."""
        return Memory(self.window, {**self.undos, path: self.undos[path][:-1]})

    def seen(self, window: Window) -> Memory:
        """With another window."""
        return Memory(window, self.undos)


def load(read: Callable[[str], bytes | None]) -> Memory:
    """The memory of a machine; an empty one where the file is missing or is none (the policy can write anywhere)."""
    try:
        kept = json.loads(read(PATH) or b"{}")
        undos = {str(path): tuple(texts) for path, texts in kept.get("undos", {}).items()}
        found = Memory(Window(**kept.get("window", {})), undos)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Memory()
    return found if _fits(found) else Memory()


def _fits(memory: Memory) -> bool:
    """Whether the values are of their types."""
    window = memory.window
    numbers = all(isinstance(one, int) for one in (window.first, window.size, window.overlap)) and window.size > 0
    texts = (window.path, *(text for stack in memory.undos.values() for text in stack))
    return numbers and all(text is None or isinstance(text, str) for text in texts)


def dump(memory: Memory) -> bytes:
    """The memory as the file holds it; without the texts where they are too large."""
    text = json.dumps({"window": asdict(memory.window), "undos": memory.undos}, sort_keys=True).encode()
    return text if len(text) <= MAX_BYTES else dump(Memory(memory.window))
