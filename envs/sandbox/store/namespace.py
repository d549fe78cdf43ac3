"""Work on files that a plain user's sandboxes made and that he has no right to outside of them.

Owns: running a program as root of a user namespace like those of the sandboxes: files of subordinate ids, and files
whose mode shuts their owner out, can be read and removed there. Does not own: what the program does.

The machine's own root needs none of this.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache

_WAYS = (("unshare", "--map-root-user", "--map-auto", "--"), ("unshare", "--map-root-user", "--"))


def helps() -> bool:
    """Whether there is such a namespace for us."""
    return bool(_way())


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program there; only where it `helps`."""
    return subprocess.run([*_way(), *command], capture_output=True, text=True, check=False)


@cache
def _way() -> tuple[str, ...]:
    for way in _WAYS if os.geteuid() != 0 else ():
        try:
            if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
                return way
        except FileNotFoundError:
            break  # no unshare
    return ()
