"""The processes of a run, found by a mark in their environment, so that none outlives it.

Owns: the mark, ending what carries it, and noticing that whoever started the run is gone. Does not own: starting
anything (`run`, `launch`), machines other than this one: Ray ends the workers of a driver that is gone there.

Ray and vLLM start processes in sessions of their own, which a signal to the run's group does not reach, and some of
them wait for ever for others that were killed. Their environment is inherited all the way down.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

RUN_ENV = "PIVOTGYM_OPENRLHF_RUN"
"""Environment variable that all processes of one run share; its value is the run's alone."""
_LOOK_S = 0.1
_KILLED_S = 10.0
_SET_CHILD_SUBREAPER = 36


class _Process(NamedTuple):
    pid: int
    parent: int
    started: int


def marked(mark: str) -> list[int]:
    """Ids of the running processes that carry a run's mark and of their descendants, this one left out.

    Descendants, too, since a process that writes a title over its arguments may lose what stood behind them.
    """
    return sorted(process.pid for process in _marked(mark, _table()))


def end_all(mark: str, *, patience_s: float = 10.0) -> list[int]:
    """End all of them: asked first, killed when they are still there after a while.

    Returns:
        Those that are there even then: a process in a call of the kernel ends only with that call.
    """
    known: set[_Process] = set()
    left: list[int] = []
    for number, seconds in ((signal.SIGTERM, patience_s), (signal.SIGKILL, _KILLED_S)):
        told: set[int] = set()
        until = time.monotonic() + seconds
        while True:
            table = _table()
            # Remembered: the children of one that has ended are nobody's descendants any more.
            known |= _marked(mark, table)
            left = sorted(known_.pid for known_ in known if _is_same(known_, table.get(known_.pid)))
            if not left or time.monotonic() > until:
                break
            for pid in set(left) - told:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            told.update(left)
            time.sleep(_LOOK_S)
    return left


def _table() -> dict[int, _Process]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        # Processes end while they are looked at.
        with suppress(OSError):
            state, parent, *rest = entry.read_text().rpartition(")")[2].split()
            if state != "Z":
                pid = int(entry.parent.name)
                found[pid] = _Process(pid, int(parent), int(rest[17]))
    return found


def _is_same(before: _Process, now: _Process | None) -> bool:
    return now is not None and now.started == before.started


def _marked(mark: str, table: dict[int, _Process]) -> set[_Process]:
    text = f"{RUN_ENV}={mark}".encode()
    of_run = set()
    for pid in table:
        # Those of other users cannot be read.
        with suppress(OSError):
            if text in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                of_run.add(pid)
    while more := {pid for pid, process in table.items() if process.parent in of_run} - of_run:
        of_run |= more
    return {table[pid] for pid in of_run - {os.getpid()}}


def keep_descendants() -> None:
    """Make this process the parent of its descendants whose own parents end, so that they stay its descendants."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, with what stands in its `finally`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may have handlers.
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_starter(mark: str) -> None:
    """End the whole run, this process with it, when standard input is closed: whoever held it is gone."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        end_all(mark, patience_s=2.0)
        os._exit(1)

    threading.Thread(target=wait, name="starter", daemon=True).start()
