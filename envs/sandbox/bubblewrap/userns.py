"""User namespaces for sandboxes, one each. Owns: making them, from a process with one thread. Nothing else.

A namespace of its own makes the limit on processes count per sandbox (the kernel counts per namespace and user), and
lets further user namespaces inside be forbidden. The kernel lets only a process with a single thread enter a new one,
so a small process is split off the warden before it starts threads, and makes them on request.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap import syscalls
from pivotgym.envs.sandbox.bubblewrap.guardian import only


class Forge:
    """Makes user namespaces. Thread-safe.

    Args:
        count: How many ids are mapped, each to itself.
    """

    def __init__(self, count: int) -> None:
        self._line, theirs = socket.socketpair()
        self._lock = threading.Lock()
        if os.fork() == 0:
            only(theirs.fileno())
            _serve(theirs, count)
        theirs.close()

    def make(self) -> int:
        """A descriptor of a new user namespace, which the caller closes.

        Raises:
            OSError: If the kernel gives none (`user.max_user_namespaces`).
        """
        with self._lock:
            self._line.send(b"?")
            answer, files, _, _ = socket.recv_fds(self._line, 200, 1)
        if not files:
            raise OSError(f"no user namespace: {answer.decode(errors='replace') or 'the process that makes them died'}")
        return files[0]


def _serve(line: socket.socket, count: int) -> None:
    while line.recv(1):
        try:
            made = _made(count)
            socket.send_fds(line, [b"!"], [made])
            os.close(made)
        except OSError as error:
            line.send(str(error).encode()[:200] or b"?")
    os._exit(0)


def _made(count: int) -> int:
    ready, entered = os.pipe()
    go, leave = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        os.close(leave)
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            os.write(entered, b"!")
            os.read(go, 1)
            # None inside: they are what most holes in the kernel are reached through.
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
            os.write(entered, b"!")
            os.read(go, 1)
        finally:
            os._exit(0)
    os.close(entered)
    os.close(go)
    try:
        if not os.read(ready, 1):
            raise OSError("the kernel refused")
        with suppress(OSError):  # Denied already where our own map holds one id only.
            if count == 1:
                Path(f"/proc/{child}/setgroups").write_text("deny")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(f"0 0 {count}")
        os.write(leave, b"!")
        if not os.read(ready, 1):
            raise OSError("its own namespaces could not be forbidden")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(leave)
        os.close(ready)
        os.waitpid(child, 0)
