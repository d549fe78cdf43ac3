"""The packages in which tasks are made (`packages.yaml`), and their trees.

Owns: the settings of each, and which of a tree's files a solution may change. Does not own: fetching (`swe.sdists`).
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import yaml

from pivotgym.core.errors import NotFound
from pivotgym.envs.swe.sdists import Sdist, fetch_sdist, find_sdist, tree


@dataclass(frozen=True)
class Package:
    """A source package and where its parts lie, as paths below its top folder.

    Attributes:
        sdist: Its name, version and hash.
        source: Files and folders that an installation would hold.
        tests: Files and folders of its suite, which may lie within `source`.
        path: Folders from which it is imported.
        options: What pytest must be told to run it.
    """

    sdist: Sdist
    source: tuple[str, ...]
    tests: tuple[str, ...]
    path: tuple[str, ...] = (".",)
    options: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What runs its suite."""
        return f"python -m pytest {shlex.join((*self.options, *self.tests))}"

    @property
    def name(self) -> str:
        """The package's name."""
        return self.sdist.name

    def tree(self) -> Mapping[str, bytes]:
        """The released files. Errors as for `find_sdist`."""
        return _tree(find_sdist(self.sdist))

    def is_source(self, path: str) -> bool:
        """Whether a path belongs to what is installed, tests aside."""
        return within(path, self.source) and not within(path, self.tests)


def within(path: str, places: tuple[str, ...]) -> bool:
    """Whether a path is one of some files, or below one of some folders."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


@lru_cache(maxsize=1)
def packages() -> dict[str, Package]:
    """All of them by name."""
    given = yaml.safe_load(resources.files(__package__).joinpath("packages.yaml").read_text(encoding="utf-8"))
    return {
        name: Package(
            Sdist(name, str(one["version"]), one["sha256"]),
            tuple(one["source"]),
            tuple(one["tests"]),
            tuple(map(posixpath.normpath, one.get("path", ["."]))),
            tuple(one.get("options", [])),
        )
        for name, one in given.items()
    }


def package(name: str) -> Package:
    """One of them.

    Raises:
        NotFound: If there is none of that name.
    """
    found = packages().get(name)
    if found is None:
        raise NotFound(f"package: expected one of {sorted(packages())}, got {name!r}")
    return found


def fetch() -> list[Path]:
    """Fetch all of them into the cache. Errors as for `fetch_sdist`."""
    return [fetch_sdist(one.sdist) for one in packages().values()]


@lru_cache(maxsize=32)
def _tree(archive: Path) -> Mapping[str, bytes]:
    return tree(archive)
