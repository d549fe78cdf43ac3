"""A database in memory: statements of a policy that can reach nothing else and come to an end.

Owns: limits, copies, digests and perturbed copies. Does not own: what is in it (`domain`).
"""

from __future__ import annotations

import random
import sqlite3
from typing import Any

from pivotgym.core.canonical import digest

MOST_ROWS = 200
MOST_BYTES = 100_000
MOST_STEPS = 2_000
"""In thousands of SQLite's own instructions: under a second."""
LEFT_OUT = 0.4
"""Share of rows that a perturbed copy lacks."""
_DENIED = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_CREATE_VTABLE)


class SqlError(Exception):
    """A statement that cannot be run; the policy is shown the text."""


class Database:
    """One SQLite database; used by one thread at a time, not always the same."""

    def __init__(self) -> None:
        self._sqlite = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, MOST_BYTES)

    def load(self, script: str) -> None:
        """Run a script of our own."""
        self._sqlite.executescript(script)

    def run(self, sql: str) -> list[list[Any]]:
        """Run one statement of a policy.

        Returns:
            Its rows, at most `MOST_ROWS`.

        Raises:
            SqlError: If it is none, is not allowed, or takes too long.
        """
        left = MOST_STEPS

        def tick() -> int:
            nonlocal left
            left -= 1
            return left < 0

        self._sqlite.set_authorizer(lambda what, *_: sqlite3.SQLITE_DENY if what in _DENIED else sqlite3.SQLITE_OK)
        self._sqlite.set_progress_handler(tick, 1000)
        try:
            rows = self._sqlite.execute(sql).fetchmany(MOST_ROWS)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise SqlError(str(error)) from error
        finally:
            self._sqlite.set_progress_handler(None, 0)
            self._sqlite.set_authorizer(None)
            if self._sqlite.in_transaction:  # a transaction that stays open could not be copied
                self._sqlite.rollback()
        return [[_plain(value) for value in row] for row in rows]

    def copy(self, other: Database) -> None:
        """Become what another database is."""
        self._sqlite.deserialize(other._sqlite.serialize())

    def digest(self, more: Any) -> str:
        """SHA-256 of the schema, all rows in any order, and something more."""
        tables = {name: sorted(self._all(name), key=repr) for name in self._tables()}
        schema = sorted(str(row) for row in self._sqlite.execute("SELECT type, name, sql FROM sqlite_master"))
        return digest([schema, tables, more])

    def perturb(self, seed: int) -> None:
        """Leave out some rows of each table, and raise numbers that are no keys."""
        chance = random.Random(seed)
        tables = self._tables()
        keys = {name.removesuffix("s") for name in tables}  # `customer` names a row of `customers`
        for name in tables:
            columns = self._sqlite.execute(f'PRAGMA table_info("{name}")').fetchall()
            numbers = [column[1] for column in columns if column[2] == "INTEGER" and not column[5]]
            rows = self._sqlite.execute(f'SELECT rowid FROM "{name}"').fetchall()
            for row in rows[1:]:
                if chance.random() < LEFT_OUT:
                    self._sqlite.execute(f'DELETE FROM "{name}" WHERE rowid = ?', row)
            for row in rows:
                for number in (number for number in numbers if number not in keys):
                    sql = f'UPDATE "{name}" SET "{number}" = "{number}" + ? WHERE rowid = ?'
                    self._sqlite.execute(sql, (chance.randint(1, 9), *row))

    def close(self) -> None:
        """Free it."""
        self._sqlite.close()

    def _tables(self) -> list[str]:
        found = self._sqlite.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in found.fetchall()]

    def _all(self, name: str) -> list[list[Any]]:
        quoted = name.replace('"', '""')
        return [[_plain(value) for value in row] for row in self._sqlite.execute(f'SELECT * FROM "{quoted}"')]


def _plain(value: Any) -> Any:
    """A value of SQLite as JSON; what JSON has no form for as text."""
    return (
        value.hex()
        if isinstance(value, bytes)
        else str(value)
        if isinstance(value, float) and value != value
        else value
    )
