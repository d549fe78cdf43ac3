"""Folders of this machine that no sandbox sees, though a folder that it does see holds them.

Owns: which those are: what a policy could read the answers in. Does not own: hiding them (`machine`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from pivotgym.core.wheels import cache_dir
from pivotgym.envs.base import sources

_GROUPS = ("pivotgym.envs", "pivotgym.sandboxes")


def answers(store: Path) -> list[Path]:
    """Where verifiers, tasks and the states of others lie: this program, what is plugged into it, sources, the store.

    Args:
        store: The store's folder.
    """
    found = [*_code(), *sources.configured(), store]
    with suppress(RuntimeError):  # A user without a home has no cache there.
        found.append(cache_dir())
    return found


@cache
def _code() -> tuple[Path, ...]:
    packages = {__name__.partition(".")[0]}
    packages |= {point.module.partition(".")[0] for group in _GROUPS for point in entry_points(group=group)}
    return tuple(Path(place) for name in sorted(packages) for place in _places(name))


def _places(package: str) -> Sequence[str]:
    spec = find_spec(package)
    if spec is None:
        return ()
    return list(spec.submodule_search_locations or ()) or [spec.origin or ""]


def below(folders: Iterable[str], paths: Iterable[Path]) -> list[str]:
    """Those of `paths` that are there and lie below one of `folders`, links resolved, without what is below another."""
    tops = [Path(folder).resolve() for folder in folders]
    found: list[Path] = []
    for path in sorted({path.resolve() for path in paths}):
        inside = any(top in path.parents for top in tops)
        if inside and path.exists() and not any(other in path.parents for other in found):
            found.append(path)
    return [str(path) for path in found]
