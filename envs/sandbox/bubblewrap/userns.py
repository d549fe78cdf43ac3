"""User namespaces for sandboxes, one each. Owns: making them, a few ahead of time. Nothing else.

A namespace of its own makes the limit on processes count per sandbox (the kernel counts per namespace and user), and
lets further user namespaces inside be forbidden: they are what most holes in the kernel are reached through.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

_AHEAD = 4
# The kernel lets only a process with a single thread enter a new one: a small one is started for it. It says when it is
# in, waits for its id maps, forbids namespaces inside, says so, and waits until somebody else holds the namespace.
_ENTER = "echo; read _; echo 0 > /proc/sys/user/max_user_namespaces || exit; echo; read _"


class Stock:
    """A few user namespaces made ahead of time. Thread-safe.

    Args:
        count: How many ids are mapped, each to itself.
    """

    def __init__(self, count: int) -> None:
        self._made: queue.Queue[int | OSError] = queue.Queue(_AHEAD)
        threading.Thread(target=self._make, args=(count,), daemon=True, name="namespaces").start()

    def take(self) -> int:
        """A descriptor of a user namespace, which the caller closes.

        Raises:
            OSError: If the kernel gives none (`user.max_user_namespaces`).
        """
        found = self._made.get()
        if isinstance(found, OSError):
            raise found
        return found

    def _make(self, count: int) -> None:
        while True:
            try:
                self._made.put(make(count))
            except OSError as error:
                self._made.put(error)


def make(count: int) -> int:
    """A descriptor of a new user namespace. Arguments and errors as for `Stock`."""
    line = ["unshare", "--user", "--keep-caps", "sh", "-c", _ENTER]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        if not child.stdout.read(1):
            raise OSError(f"no user namespace: {child.stderr.read().decode(errors='replace').strip()}")
        if count == 1:
            with suppress(OSError):  # Denied already where our own map holds one id only.
                Path(f"/proc/{child.pid}/setgroups").write_text("deny")
        # Two lines, as our own map may have root's id apart from the others, and no line may span two of those.
        ids = "0 0 1\n" + (f"1 1 {count - 1}\n" if count > 1 else "")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child.pid}/{name}").write_text(ids)
        child.stdin.write(b"\n")
        child.stdin.flush()
        if not child.stdout.read(1):
            raise OSError(f"no user namespace: {child.stderr.read().decode(errors='replace').strip()}")
        return os.open(f"/proc/{child.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
