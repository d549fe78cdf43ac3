"""Tells what the tests of held-out inputs saw; runs inside a sandbox beside `inside`.

Owns: values as text that does not depend on the values' own idea of equality. Needs nothing but Python.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

_DEEPEST = 8
_seen: list[str] = []


def seen(value: Any) -> Any:
    """Remember a value that a test looked at."""
    _seen.append(told(value))
    return value


def describe(file: str, info: Any) -> str:
    """Digest of all that a test saw, and of what ended it; then forgets it.

    Args:
        file: The test's file.
        info: pytest's exception information, or `None`.
    """
    text = "\n".join([*_seen, "" if info is None else info.type.__name__])
    _seen.clear()
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def told(value: Any, depth: int = 0) -> str:
    """A value as text: equal for equal plain values, whatever order sets and dictionaries have."""
    if depth > _DEEPEST:
        return "..."
    kind = type(value)
    if kind in (list, tuple):
        return f"{kind.__name__}({', '.join(told(one, depth + 1) for one in value)})"
    if kind in (set, frozenset):
        return f"set({', '.join(sorted(told(one, depth + 1) for one in value))})"
    if isinstance(value, dict):
        pairs = sorted(f"{told(key, depth + 1)}: {told(one, depth + 1)}" for key, one in dict.items(value))
        return f"dict({', '.join(pairs)})"
    if kind in (bool, int, float):
        return repr(float(value)) if abs(value) < 2**53 else repr(value)
    for plain in (str, bytes, int, float):
        if isinstance(value, plain):
            return plain.__repr__(value)
    try:
        return re.sub(r"0x[0-9a-f]+", "0x", f"{kind.__qualname__}:{value!r}")
    except Exception as error:
        return f"{kind.__qualname__}: {type(error).__name__}"
