"""The log: lines for a person, or one JSON object a line.

Owns: the format, and that everything logged has it. Does not own: what is logged.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

FORMAT = "PIVOTGYM_LOG_FORMAT"
"""Setting: `json` for JSON lines, in this process and in those it starts; anything else for plain text."""
log = logging.getLogger("pivotgym")


def as_json() -> bool:
    """Whether the log is one JSON object a line."""
    return os.environ.get(FORMAT) == "json"


class JsonLines(logging.Formatter):
    """Records as JSON objects: `time` (UTC), `level`, `logger`, `message`, and `trace` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure() -> None:
    """Have the whole process log JSON lines to standard error, where that is wanted; else change nothing."""
    if not as_json():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def say(line: str) -> None:
    """Log a line that a person who starts a server wants to see."""
    if as_json():
        log.info(line)
    else:
        print(line, file=sys.stderr, flush=True)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))
