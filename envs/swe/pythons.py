"""The Python of a tree: pytest, the packages that its origin asks for, and the tree itself in development mode.

Owns: what the fields `packages`, `constraints`, `develop` and `pytest` of an origin come to. Does not own: fetching
(`wheelhouse`), reading a tree's metadata (`metadata`), what is laid beside a tree (`python_tools`, `develop`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.trajectory import Origin
from pivotgym.envs.swe import checkouts, develop, python_tools, wheelhouse
from pivotgym.envs.swe.metadata import Metadata, Reader, read_metadata
from pivotgym.envs.terminal import fields

_INTERPRETER = f"{python_tools.FOLDER}/bin/python"


@dataclass(frozen=True)
class Python:
    """What is installed in a tree's Python.

    Attributes:
        wheels: Packages beside pytest.
        metadata: What the tree says of itself, where it is installed in development mode.
        version: Its version then.
        pytest: Whether pytest is there where no package brings it.
    """

    wheels: tuple[wheelhouse.ChosenWheel, ...] = ()
    metadata: Metadata | None = None
    version: str = ""
    pytest: bool = True

    def identity(self) -> dict[str, Any]:
        """JSON that says what it is made of, for keys of states."""
        found: dict[str, Any] = {"python": python_tools.identity() if self.pytest else python_tools.version()}
        if self.wheels:
            found["packages"] = [[wheel.file, wheel.sha256] for wheel in self.wheels]
        if self.metadata is not None:
            found["develop"] = [self.version, repr(self.metadata)]
        return found

    def lay(self, root: Path, workdir: str) -> None:
        """Put it into a tree.

        Args:
            root: The folder that stands for `/`.
            workdir: Where the project lies, seen from inside.

        Raises:
            Unreachable: If a wheel of pytest cannot be had.
            MissingDependency: If a wheel is not what it should be.
        """
        own = {canonicalize_name(self.metadata.name)} if self.metadata else set()
        brought = wheelhouse.names_of(self.wheels) | own
        packages = python_tools.install(root, without=brought, pytest=self.pytest or "pytest" in brought)
        scripts = root / python_tools.FOLDER.lstrip("/") / "bin"
        if self.wheels:
            wheelhouse.unpack(self.wheels, packages, scripts, _INTERPRETER)
        if self.metadata is not None:
            tree = root / workdir.lstrip("/")
            folders = [f"{workdir}/{one}".rstrip("/") for one in develop.folders_of(self.metadata, tree)]
            develop.install(self.metadata, self.version, folders, packages, scripts, _INTERPRETER)
            self._note_version(tree)

    def _note_version(self, tree: Path) -> None:
        """Write the file that a build writes the version to, where the tree says which and has the folder for it."""
        assert self.metadata is not None
        path = self.metadata.version_file
        place = tree / path
        known = self.version and path and ".." not in path.split("/") and not path.startswith("/")
        if known and place.parent.is_dir() and not place.exists():
            checkouts.write_below(tree, path, develop.version_file(self.version))


def python_of(origin: Origin, read: Reader, version: Callable[[], str]) -> Python:
    """What an origin's `packages`, `constraints`, `develop` and `pytest` come to.

    Args:
        origin: The origin.
        read: Reads its tree.
        version: Its version, asked for in development mode.

    Raises:
        InputError: If a field is not what it should be.
        MissingDependency: If a package may not be fetched here.
        NotFound: If there is no wheel of one.
        Unreachable: If the package index cannot be asked.
    """
    named = fields.texts(origin, "packages")
    installed = fields.flag(origin, "develop", bool(named))
    asked = wheelhouse.checked(one for one in named if one != wheelhouse.DECLARED)
    limits = wheelhouse.checked(fields.texts(origin, "constraints"), field="constraints")
    pytest = fields.flag(origin, "pytest", True)
    if not installed and not named:
        return Python(pytest=pytest)
    over = fields.mapping(origin, "files")
    metadata = read_metadata(lambda path: over[path] if isinstance(over.get(path), str) else read(path))
    choose = partial(_declared, metadata) if wheelhouse.DECLARED in named else wheelhouse.wheels_for
    wheels = choose(asked, limits)
    own = canonicalize_name(metadata.name)
    wheels = tuple(one for one in wheels if not installed or own not in wheelhouse.names_of([one]))
    if not installed:
        return Python(wheels, pytest=pytest)
    return Python(wheels, metadata, version() or metadata.version, pytest)


def _declared(metadata: Metadata, asked: Sequence[str], limits: Sequence[str]) -> tuple[wheelhouse.ChosenWheel, ...]:
    """What a tree's metadata names, with what its tests need where there are wheels of all that."""
    own = canonicalize_name(metadata.name)

    def of(*names: str) -> tuple[str, ...]:
        plain = _readable((*metadata.requires, *names))
        return wheelhouse.checked((*asked, *(one for one in plain if canonicalize_name(Requirement(one).name) != own)))

    try:
        return wheelhouse.wheels_for(of(*metadata.for_tests), limits)
    except NotFound:
        return wheelhouse.wheels_for(of(), limits)


def _readable(names: Sequence[str]) -> list[str]:
    """Those that are requirements of the index: what a tree says may be anything."""
    found: list[str] = []
    for name in names:
        try:
            found.extend(wheelhouse.checked([name]))
        except InputError:
            continue
    return found
