"""Answers of language models, kept on disk by the digest of what was asked.

Owns: one small SQLite file that threads and processes share. Does not own: what is asked (`envs.base.chat_servers`).
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from pivotgym.core.errors import ConfigError

BUSY_TIMEOUT_S = 30.0


class AnswerCache:
    """Texts by key, in a file. Thread-safe, and safe between processes.

    Args:
        path: The file; made with its folder where it is not there.

    Raises:
        ConfigError: If it cannot be opened, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"cache: expected a file for answers, cannot use {path}: {error}") from error

    def get(self, key: str) -> str | None:
        """The answer kept under a key, or `None`."""
        with self._lock:
            row = self._file.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, answer: str) -> None:
        """Keep an answer; the first one under a key stays."""
        with self._lock:
            self._file.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, answer))

    def close(self) -> None:
        """Close the file. Calling it again does nothing."""
        with self._lock:
            self._file.close()
