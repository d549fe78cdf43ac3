"""Sources: named folders or files on this machine from which origins are rebuilt.

Owns: the one setting `sources:` (name -> path), for servers, command line and benchmarks alike. Does not own: what a
source holds (the domain that names it). A path is configured here, by whoever runs the process, and never comes from an
origin: a client can only name what is configured.

Two ways to configure: `configure({"tau": "/data/tau_bench"})`, which `pivotgym serve --source tau=/data/tau_bench` and
the key `sources` of a configuration file come down to; or the environment, `PIVOTGYM_SOURCE_TAU=/data/tau_bench`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pivotgym.core.errors import ConfigError, MissingDependency

VARIABLE = "PIVOTGYM_SOURCE_"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_configured: dict[str, Path] = {}


def configure(named: Mapping[str, str | Path]) -> None:
    """Set sources for this process; those of other names stay.

    Raises:
        ConfigError: If a name is none, or a path does not exist.
    """
    for name, place in named.items():
        _configured[_checked(name)] = _existing(name, Path(place))


def forget(*names: str) -> None:
    """Take back what `configure` set for these names."""
    for name in names:
        _configured.pop(name, None)


def find(name: str) -> Path | None:
    """The path of a source, or `None` where it is not configured.

    Raises:
        ConfigError: If the environment names a path that does not exist.
    """
    if name in _configured:
        return _configured[name]
    variable = VARIABLE + name.upper()
    given = os.environ.get(variable)
    if given and not Path(given).exists():
        # A client may read this one: the variable is named, not the path.
        raise ConfigError(f"source {name!r}: expected a folder or file in {variable}, found none there")
    return Path(given).absolute() if given else None


def configured() -> list[Path]:
    """The paths of all sources that are configured, there or not."""
    named = [Path(place).absolute() for key, place in os.environ.items() if key.startswith(VARIABLE) and place]
    return [*_configured.values(), *named]


def path(name: str) -> Path:
    """The path of a source.

    Raises:
        MissingDependency: If it is not configured; the hint says how to.
        ConfigError: As for `find`.
    """
    found = find(name)
    if found is None:
        raise MissingDependency(
            f"source {name!r}: not configured on this machine",
            hint=f"set {VARIABLE}{name.upper()}=FOLDER, or pass --source {name}=FOLDER",
        )
    return found


def parse(pairs: Iterable[str]) -> dict[str, Path]:
    """Sources from texts `NAME=PATH`.

    Raises:
        ConfigError: If a text has another form.
    """
    found = {}
    for pair in pairs:
        name, equals, place = pair.partition("=")
        if not equals or not place:
            raise ConfigError(f"source: expected NAME=PATH, got {pair!r}")
        found[_checked(name)] = Path(place)
    return found


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"source: expected a name of lower-case letters, digits and underscores, got {name!r}")
    return name


def _existing(name: str, place: Path) -> Path:
    if not place.exists():
        raise ConfigError(f"source {name!r}: expected a folder or file, found none at {place}")
    return place.absolute()
