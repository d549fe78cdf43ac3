"""Watches what sandboxes write where it lies on disk, without a size of its own as a memory-backed one has.

Owns: looking from time to time and ending what is over. Does not own: the limits of memory-backed ones (`machine`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from pivotgym.envs.sandbox.bubblewrap.machine import Machine

_EVERY_S = 0.25


def start(machines: Callable[[], Iterable[Machine]]) -> None:
    """Watch in a thread of its own until the process ends.

    Args:
        machines: The machines at this moment.
    """
    threading.Thread(target=_watch, args=(machines,), daemon=True, name="watch").start()


def _watch(machines: Callable[[], Iterable[Machine]]) -> None:
    while True:
        begun = time.monotonic()
        for machine in machines():
            if machine.running and over(machine.upper, machine.limits.disk_mb << 20, machine.limits.files):
                machine.over = True
                machine.kill()
        # At most half of one processor's time, however much there is to look at.
        time.sleep(max(_EVERY_S, time.monotonic() - begun))


def over(folder: str, most_bytes: int, most_files: int) -> bool:
    """Whether a folder holds more than so many bytes, or paths, on disk."""
    taken = found = 0
    pending = [folder]
    while pending:
        with suppress(FileNotFoundError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    taken += entry.stat(follow_symlinks=False).st_blocks * 512
                    found += 1
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                if taken > most_bytes or found > most_files:
                    return True
    return False
