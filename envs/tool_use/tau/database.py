"""Databases of JSON records: one shared base that nobody changes, and what a state changed of it.

Owns: loading, reading, drafts of changes, digests. Does not own: what the records mean (`airline`, `retail`).
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.core.errors import MissingDependency

Record = dict[str, Any]
Key = tuple[str, str]
"""Table and key of a record."""

_loaded: dict[tuple[Path, tuple[str, ...]], Base] = {}
_loading = threading.Lock()


@dataclass(frozen=True)
class Base:
    """A database as its files hold it.

    Attributes:
        tables: Records by key, by table.
        fingerprint: SHA-256 of the files.
    """

    tables: Mapping[str, Mapping[str, Record]]
    fingerprint: str


def load(folder: Path, tables: tuple[str, ...]) -> Base:
    """The database of a folder with one JSON file per table, read once per process.

    Raises:
        MissingDependency: If a file is missing or holds no table.
    """
    place = (folder.resolve(), tables)
    with _loading:
        if place not in _loaded:
            _loaded[place] = _read(*place)
        return _loaded[place]


def _read(folder: Path, names: tuple[str, ...]) -> Base:
    tables, hashed = {}, hashlib.sha256()
    for name in names:
        path = folder / f"{name}.json"
        try:
            content = path.read_bytes()
            tables[name] = json.loads(content)
        except (OSError, ValueError) as error:
            raise MissingDependency(
                f"database {folder.name!r}: expected a JSON table in {name}.json, got {type(error).__name__}",
                hint=f"the configured folder must hold {', '.join(f'{name}.json' for name in names)}",
            ) from error
        if not isinstance(tables[name], dict):
            raise MissingDependency(f"database {folder.name!r}: expected {name}.json to map keys to records")
        hashed.update(content)
    return Base(tables, hashed.hexdigest())


class State:
    """A database after some changes. Never changes itself, so that forks share it.

    Args:
        base: Where it began.
        changed: Records that are new or no longer the base's.
    """

    def __init__(self, base: Base, changed: Mapping[Key, Record] | None = None) -> None:
        self._base = base
        self._changed: Mapping[Key, Record] = changed or {}

    def find(self, table: str, key: str) -> Record | None:
        """A record, to be read only."""
        found = self._changed.get((table, key))
        return self._base.tables[table].get(key) if found is None else found

    def rows(self, table: str) -> Iterator[Record]:
        """All records of a table, those of the base first."""
        base = self._base.tables[table]
        for key, record in base.items():
            yield self._changed.get((table, key), record)
        yield from (record for (name, key), record in self._changed.items() if name == table and key not in base)

    def keys(self, table: str) -> Iterator[str]:
        """The keys of a table, in the order of `rows`."""
        base = self._base.tables[table]
        yield from base
        yield from (key for name, key in self._changed if name == table and key not in base)

    def after(self, changes: Mapping[Key, Record]) -> State:
        """The state in which these records are as given."""
        return State(self._base, {**self._changed, **changes}) if changes else self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; a record that was changed back counts as not changed."""
        tables = self._base.tables
        differs = {
            f"{table}/{key}": record
            for (table, key), record in self._changed.items()
            if tables[table].get(key) != record
        }
        return digest({"base": self._base.fingerprint, "changed": differs})


class Draft:
    """What one call reads and changes; nothing of it counts until the call has succeeded."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.changes: dict[Key, Record] = {}

    def find(self, table: str, key: str) -> Record | None:
        """A record, to be read only."""
        return self.changes.get((table, key)) or self._state.find(table, key)

    def rows(self, table: str) -> Iterator[Record]:
        """All records of a table as they were before this call."""
        return self._state.rows(table)

    def keys(self, table: str) -> Iterator[str]:
        """The keys of all records of a table before this call."""
        return self._state.keys(table)

    def edit(self, table: str, key: str) -> Record:
        """A copy of a record that exists, to be changed."""
        if (table, key) not in self.changes:
            self.changes[table, key] = copy.deepcopy(self._state.find(table, key) or {})
        return self.changes[table, key]

    def add(self, table: str, key: str, record: Record) -> None:
        """A new record."""
        self.changes[table, key] = record
