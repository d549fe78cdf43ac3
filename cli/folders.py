"""A domain in a folder that is not installed: what `pivotgym new` writes, before `pip install`.

Owns: finding the folder's entry point, and making it importable here and in child processes. Does not own: domains that
are installed (`envs.base.registry`).
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pivotgym.core.errors import InputError
from pivotgym.envs.base.registry import GROUP


def is_folder(target: str) -> bool:
    """Whether a target is a path and no name of a domain: it has a slash, or is `.`."""
    return "/" in target or target in (".", "..")


@contextmanager
def importable(folder: Path) -> Iterator[str]:
    """The `module:attribute` of a folder's domain, importable inside the block, also in processes begun there.

    Args:
        folder: A folder with a `pyproject.toml` that has an entry point in the group `pivotgym.envs`.

    Raises:
        InputError: If it is none.
    """
    value = entry_point(folder)
    place = str(folder.absolute() / "src" if (folder / "src").is_dir() else folder.absolute())
    inherited = os.environ.get("PYTHONPATH")
    sys.path.insert(0, place)
    os.environ["PYTHONPATH"] = place if not inherited else f"{place}{os.pathsep}{inherited}"
    try:
        yield value
    finally:
        sys.path.remove(place)
        if inherited is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = inherited


def entry_point(folder: Path) -> str:
    """The `module:attribute` that a folder's `pyproject.toml` names.

    Raises:
        InputError: If there is no such file, it is no TOML, or does not have exactly one such entry point.
    """
    path = folder / "pyproject.toml"
    hint = "`pivotgym new NAME` writes such a folder"
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{folder}: expected the folder of a domain, found no pyproject.toml", hint=hint) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML: {error}") from error
    points = project.get("project", {}).get("entry-points", {}).get(GROUP, {})
    if len(points) != 1:
        raise InputError(f"{path}: expected one entry point in the group {GROUP!r}, got {sorted(points)}", hint=hint)
    return str(next(iter(points.values())))
