"""The processes of a run, found by a mark in their environment, so that none outlives it.

Owns: the mark, ending what carries it, and noticing that whoever started the run is gone. Does not own: starting
anything (`run`, `launch`), machines other than this one: Ray ends the workers of a driver that is gone there.

Ray and vLLM start processes in sessions of their own, which a signal to the run's group does not reach, and some of
them wait for ever for others that were killed. Their environment is inherited all the way down.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

RUN_ENV = "PIVOTGYM_OPENRLHF_RUN"
"""Environment variable that all processes of one run share; its value is the run's alone."""
_LOOK_S = 0.1
_KILLED_S = 10.0


def marked(mark: str) -> list[int]:
    """Ids of the running processes that carry a run's mark, this one left out."""
    found, text = [], f"{RUN_ENV}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        pid = int(entry.parent.name)
        # Processes end while they are looked at, and those of other users cannot be read.
        with suppress(OSError):
            if pid != os.getpid() and text in entry.read_bytes().split(b"\0"):
                found.append(pid)
    return found


def end_all(mark: str, *, patience_s: float = 5.0) -> list[int]:
    """End all processes that carry a mark: asked first, killed when they are still there after a while.

    Returns:
        Those that are there even then: a process in a call of the kernel ends only with that call.
    """
    for number, seconds in ((signal.SIGTERM, patience_s), (signal.SIGKILL, _KILLED_S)):
        told: set[int] = set()
        until = time.monotonic() + seconds
        while (left := marked(mark)) and time.monotonic() < until:
            for pid in set(left) - told:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            told.update(left)
            time.sleep(_LOOK_S)
    return left


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
