"""How much there may be to look at in what a sandbox has written, beyond what its disk limits.

Owns: two sums that a file system does not bound: the text of all paths (folders within folders cost nothing, their
paths grow with each) and the holes of files (they take no space, and time to read). Does not own: a sandbox's limits.
"""

from __future__ import annotations

import os
import stat

from pivotgym.core.errors import WorldFailed

MOST_TEXT = 64 << 20
MOST_HOLES = 2 << 30


class Bulk:
    """Sums up what one pass over a tree sees."""

    def __init__(self) -> None:
        self._text = self._holes = 0

    def add(self, path: str, status: os.stat_result) -> None:
        """Count one path.

        Raises:
            WorldFailed: If it is too much to go on: whoever made it gets neither a state nor a verdict of it.
        """
        self._text += len(path)
        if stat.S_ISREG(status.st_mode):
            self._holes += max(0, status.st_size - status.st_blocks * 512)
        if self._text > MOST_TEXT:
            raise WorldFailed(f"sandbox: its paths take more than {MOST_TEXT >> 20} MiB in all: folders nest too deep")
        if self._holes > MOST_HOLES:
            raise WorldFailed(f"sandbox: its files have more than {MOST_HOLES >> 30} GiB of holes in all")
