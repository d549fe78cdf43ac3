"""Reading the fields of a terminal origin.

Owns: that each field has the type it should, and messages that name field, expectation and what came. Does not own:
which fields a kind of origin has (`envs.terminal.origins`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.trajectory import Origin

MAX_DEPTH = 100
MAX_NAME_BYTES = 255
MAX_ID = 65_534
"""Users of a sandbox are numbered to 65,535, which the kernel takes for no user at all in some calls."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}|[0-9]{1,9}:[0-9]{1,9}")


def bad(origin: Origin, field: str, expected: str, got: object) -> InputError:
    """The error for a field that does not fit."""
    return InputError(f"origin of kind {origin.kind!r}: {field}: expected {expected}, got {str(got)[:120]!r}")


def check_names(origin: Origin, known: set[str], required: set[str]) -> None:
    """Refuse fields nobody reads, and miss those that are needed.

    Raises:
        InputError: Naming them.
    """
    given = set(origin.model_extra or {})
    for name in sorted(given - known):
        raise InputError(f"origin of kind {origin.kind!r}: no field is called {name!r}; they are {sorted(known)}")
    for name in sorted(required - given):
        raise InputError(f"origin of kind {origin.kind!r}: the field {name!r} is missing")


def text(origin: Origin, field: str, default: str = "") -> str:
    """A text."""
    value = origin.get(field, default)
    if not isinstance(value, str):
        raise bad(origin, field, "a text", value)
    return value


def one_of(origin: Origin, field: str, choices: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    value = text(origin, field, default)
    if value not in choices:
        raise bad(origin, field, f"one of {list(choices)}", value)
    return value


def inside(origin: Origin, field: str, value: object) -> str:
    """An absolute path in the sandbox, without `.` and `..`, that the kernel can take."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value or ".." in value.split("/"):
        raise bad(origin, field, "an absolute path without '..'", value)
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if len(parts) > MAX_DEPTH or any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in parts):
        raise bad(origin, field, f"at most {MAX_DEPTH} names of {MAX_NAME_BYTES} bytes in a path", value)
    return "/" + "/".join(parts)


def folder(origin: Origin, field: str, default: str) -> str:
    """The path of a folder in the sandbox."""
    return inside(origin, field, origin.get(field, default))


def texts(origin: Origin, field: str) -> tuple[str, ...]:
    """A list of texts; empty where the field is missing."""
    value = origin.get(field, [])
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise bad(origin, field, "a list of texts", value)
    return tuple(value)


def mapping(origin: Origin, field: str) -> Mapping[str, Any]:
    """A JSON object; empty where the field is missing."""
    value = origin.get(field, {})
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise bad(origin, field, "an object", value)
    return value


def variables(origin: Origin, field: str) -> dict[str, str]:
    """Environment variables."""
    value = mapping(origin, field)
    for name, content in value.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(content, str) or "\0" in content:
            raise bad(origin, field, "names of variables with texts", {name: content})
    return dict(value)


def user(origin: Origin, field: str) -> str:
    """Who the shell runs as: a name or `uid:gid`."""
    value = text(origin, field, "root")
    numbers = [int(number) for number in value.split(":")] if ":" in value and _USER.fullmatch(value) else []
    if not _USER.fullmatch(value) or any(number > MAX_ID for number in numbers):
        raise bad(origin, field, f"a user's name, or 'uid:gid' of numbers up to {MAX_ID}", value)
    return value


def seconds(origin: Origin, field: str, default: float, most: float) -> float:
    """A time limit in seconds."""
    value = origin.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise bad(origin, field, f"seconds, above 0 and up to {most:g}", value)
    return float(value)


def flag(origin: Origin, field: str, default: bool) -> bool:
    """True or false."""
    value = origin.get(field, default)
    if not isinstance(value, bool):
        raise bad(origin, field, "true or false", value)
    return value
