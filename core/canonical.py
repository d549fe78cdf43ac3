"""Canonical JSON and digests: one byte string per value, whatever the key order or number spelling.

Owns: what "the same value" means when states, pivots and configs are hashed. Does not own: equivalence of actions
(`verifiers/`), which is looser.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pivotgym.core.errors import InputError

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
"""Made once: `json.dumps` with options makes an encoder at each call, which costs more than a short text does."""


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return value


def canonical_json(value: Any) -> str:
    """Serialise with sorted keys, no spaces, integral floats as integers, sets as sorted lists.

    Raises:
        InputError: If the value holds something JSON has no form for.

    >>> canonical_json({"b": 1.0, "a": {2, 1}})
    '{"a":[1,2],"b":1}'
    """
    try:
        return _encode(_plain(value))
    except (TypeError, ValueError) as error:
        raise InputError(f"value: expected JSON data, got something else: {error}") from error


def digest(value: Any) -> str:
    """SHA-256 over `canonical_json(value)`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()
