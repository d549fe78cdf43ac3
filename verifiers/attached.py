"""Values that live as long as the object they were worked out for.

Owns: a cache by identity that needs no size, because it holds no object alive. Does not own: what is cached.

A pivot's digest costs more than a verdict, so what is known of a pivot is kept by the identity of the object: a pivot
that a server holds keeps its values, one that came with a single request takes them along when it goes.
"""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Attached(Generic[Value]):
    """Values by object. Thread-safe; the values must not refer to their object, or neither is ever freed."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Any], Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, owner: object) -> Value | None:
        """The value kept for this very object, or `None`."""
        entry = self._kept.get(id(owner))
        return entry[1] if entry is not None and entry[0]() is owner else None

    def keep(self, owner: object, value: Value) -> Value:
        """Keep a value for an object; the value that is kept, which is the first of several threads' ones."""
        key, kept = id(owner), self._kept
        # No lock here: the callback may run in the middle of any statement, also of one that holds the lock.
        entry = kept.setdefault(key, (weakref.ref(owner, lambda _: kept.pop(key, None)), value))
        return entry[1]

    def clear(self) -> None:
        """Forget all values."""
        self._kept.clear()
