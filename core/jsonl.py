"""Streaming JSON Lines: one record per line, bad lines reported with file, line and reason, nothing dropped silently.

Owns: reading and writing lines, the error policy, atomic and append-only writing that survives a kill. Does not own:
what a record means (`core/trajectory`), nor foreign shapes (`core/readers/`).
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from pivotgym.core.errors import BadLine, ConfigError, InputError, NotFound

OnError = Literal["stop", "skip"]
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass
class ReadReport:
    """What a reader met: lines read, lines skipped, and the reasons of the skipped ones (the first 100)."""

    read: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    def skip(self, error: BadLine) -> None:
        """Count a skipped line and keep its reason."""
        self.skipped += 1
        if len(self.reasons) < 100:
            self.reasons.append(str(error.message))


def read_lines(
    path: str | Path,
    parse: Callable[[dict[str, Any]], T],
    *,
    on_error: OnError = "stop",
    report: ReadReport | None = None,
) -> Iterator[T]:
    """Yield `parse(object)` for each non-empty line of a (possibly gzipped) JSON Lines file, one line in memory.

    Args:
        path: The file.
        parse: Turns the line's object into a record; raises `InputError`, `ValidationError` or `ValueError` if it
            cannot.
        on_error: `stop` raises at the first bad line; `skip` counts it in `report` and goes on.
        report: Filled while reading.

    Raises:
        NotFound: If there is no such file.
        ConfigError: If `on_error` is neither `stop` nor `skip`.
        BadLine: At the first bad line, with `on_error="stop"`; for a damaged gzipped file, whatever `on_error` says.
    """
    if on_error not in ("stop", "skip"):
        raise ConfigError(f"on_error: expected 'stop' or 'skip', got {on_error!r}")
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"path: expected a JSON Lines file, found none at {path}")
    report = report if report is not None else ReadReport()
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = _parse_line(line, parse, path, number)
        except BadLine as error:
            if on_error == "stop":
                raise
            report.skip(error)
            continue
        report.read += 1
        yield record


def _lines(path: Path) -> Iterator[bytes]:
    opener: Callable[..., IO[bytes]] = gzip.open if path.suffix == ".gz" else open  # type: ignore[assignment]
    number = 0
    with opener(path, "rb") as lines:
        try:
            for number, line in enumerate(lines, start=1):  # noqa: B007
                yield line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            hint = "the file is damaged or not whole: fetch or write it again"
            raise BadLine(str(path), number + 1, f"cannot be unpacked: {error}", hint=hint) from error


def _parse_line(line: bytes, parse: Callable[[dict[str, Any]], T], path: Path, number: int) -> T:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(str(path), number, f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadLine(str(path), number, f"expected a JSON object, got {type(data).__name__}")
    try:
        return parse(data)
    except ValidationError as error:
        raise BadLine(str(path), number, describe(error)) from error
    except InputError as error:
        raise BadLine(str(path), number, error.message, hint=error.hint) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadLine(str(path), number, f"unexpected shape: {type(error).__name__}: {error}") from error


def describe(error: ValidationError, *, most: int = 3) -> str:
    """A validation error as one sentence that names the fields: `messages.2.role: Input should be ...`."""
    parts = []
    for item in error.errors(include_url=False)[:most]:
        where = ".".join(str(piece) for piece in item["loc"]) or "record"
        parts.append(f"{where}: {item['msg']}")
    more = error.error_count() - most
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def read_records(
    path: str | Path, model: type[M], *, on_error: OnError = "stop", report: ReadReport | None = None
) -> Iterator[M]:
    """Yield the records of one of our own files. Arguments and errors as for `read_lines`."""
    return read_lines(path, model.model_validate, on_error=on_error, report=report)


def _encode(record: BaseModel | dict[str, Any]) -> bytes:
    if isinstance(record, BaseModel):
        to_json = getattr(record, "to_json", None)
        record = to_json() if to_json is not None else record.model_dump(mode="json", exclude_none=True)
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def write_records(path: str | Path, records: Iterable[BaseModel | dict[str, Any]]) -> int:
    """Write a whole file atomically (temporary file, fsync, rename) and return how many records it holds."""
    path = Path(path)
    count = 0
    with atomic(path) as out:
        for record in records:
            out.write(_encode(record))
            count += 1
    return count


@contextmanager
def atomic(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when it is complete and on disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Appender:
    """Appends records to a file so that a kill loses at most the records being written, and never corrupts the file.

    A half-written last line, left by a kill, is cut off when the file is opened again.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self._path, "a+b")  # noqa: SIM115 - closed by `close`
        self._cut_partial_line()

    def _cut_partial_line(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        if not size:
            return
        keep, block = size, 1 << 16
        while keep:
            start = max(0, keep - block)
            self._file.seek(start)
            cut = self._file.read(keep - start).rfind(b"\n")
            if cut >= 0:
                keep = start + cut + 1
                break
            keep = start
        self._file.truncate(keep)
        self._file.seek(0, os.SEEK_END)

    def append(self, *records: BaseModel | dict[str, Any]) -> None:
        """Write records and hand them to the disk before returning."""
        self._file.write(b"".join(map(_encode, records)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; further calls do nothing."""
        self._file.close()

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
