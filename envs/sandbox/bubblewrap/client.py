"""The server's side of the warden: starts it, sends requests from any thread, ends it. Owns no sandbox."""

from __future__ import annotations

import errno
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pivotgym.core.errors import Full, WorldFailed, from_wire
from pivotgym.envs.sandbox.bubblewrap import wire
from pivotgym.envs.sandbox.keeping import FIRST_ID, not_stored

_CONNECTIONS = 16
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC)
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_STORES = ("save", "base")
_MAKES = ("open", "fork", "start")
_ENDS_S = 10.0
_AGAIN = "its last words are in the server's log; open the snapshot again, which starts another one"


class WardenClient:
    """One warden. Thread-safe. `owner` is the process that started it, and alone may use it.

    `gone` says that it has ended, however: its sandboxes with it, and another one must be started.

    Args:
        store: The folder with the layers; must belong to whom the sandboxes' root is outside.
        bubblewrap: The program.
        arguments: More for its command line (`--on-disk`).

    Raises:
        WorldFailed: If it cannot be started.
    """

    def __init__(self, store: Path, *, bubblewrap: str, arguments: Sequence[str] = ()) -> None:
        wire.many_files()
        ours, theirs = socket.socketpair()
        line = [sys.executable, "-P", "-m", "pivotgym.envs.sandbox.bubblewrap.warden"]
        line += ["--connection", str(theirs.fileno()), "--server", str(os.getpid()), "--first-id", str(FIRST_ID)]
        line += ["--bubblewrap", bubblewrap, *arguments]
        # Standard error stays ours: what the warden's Python says when it breaks belongs into the server's log.
        # A group of its own: Ctrl-C in the server's terminal is the server's to handle, which then ends the warden.
        self._process = subprocess.Popen(
            line, cwd=store, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
        )
        self.owner, self._store = os.getpid(), store
        theirs.close()
        self.gone = False
        self._lock = threading.Lock()
        self._all = [ours]
        self._free: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._free.put(ours)
        self._may_connect = threading.Semaphore(_CONNECTIONS - 1)
        try:
            self.facts = self.call("hello")
        except BaseException:
            self.close()
            raise

    def call(self, do: str, files: Sequence[int] = (), **arguments: Any) -> dict[str, Any]:
        """Have a request done.

        Args:
            do: Its name.
            files: Descriptors that go with it; they stay open here.
            arguments: What `Warden` takes, JSON.

        Raises:
            PivotGymError: The error that the warden answered with.
            Full: If the machine has no memory, files or disk left for it.
            WorldFailed: If it broke, or is gone.
        """
        answer, back = self._exchange(do, files, arguments)
        for file in back:
            os.close(file)
        return answer

    def end(self, do: str, **arguments: Any) -> None:
        """As `call`, for a request that ends something; where the warden is gone, that has ended with it."""
        try:
            self.call(do, **arguments)
        except WorldFailed:
            if not self.gone:
                raise

    def file(self, do: str, **arguments: Any) -> int | None:
        """As `call`, for a request that answers with a descriptor, which the caller closes, or with none."""
        _, back = self._exchange(do, (), arguments)
        return back[0] if back else None

    def files(self, do: str, **arguments: Any) -> tuple[dict[str, Any], list[int]]:
        """As `call`, for a request that answers with descriptors, which the caller closes."""
        return self._exchange(do, (), arguments)

    def close(self) -> None:
        """End the warden with all its sandboxes. Calling it again does nothing."""
        with self._lock:
            if self.owner != os.getpid():
                return  # A fork of the server, which shares the connections and must not end them.
            for connection in self._all:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            try:
                self._process.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for connection in self._all:
                connection.close()
            self._all.clear()

    def _exchange(self, do: str, files: Sequence[int], arguments: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            with self._connection() as connection:
                wire.send(connection, {"do": do, **arguments}, files)
                received = wire.receive(connection)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise Full(f"sandbox: {do}: no room for more: {error}", retry_after_s=1.0) from error
            self.gone = True
            raise WorldFailed(f"sandbox: the warden is gone: {error}", hint=_AGAIN) from error
        if received is None:
            self.gone = True
            raise WorldFailed("sandbox: the warden is gone", hint=_AGAIN)
        answer, back = received
        if "error" in answer:
            raise from_wire(answer["error"])
        if "failed" in answer:
            if do in _MAKES and answer["number"] in _NO_ROOM:
                raise Full(f"sandbox: {do}: no room for more: {answer['failed']}", retry_after_s=1.0)
            if do in _STORES and answer["number"] in _NOT_WRITTEN:
                raise not_stored(self._store, answer["failed"])
            raise WorldFailed(f"sandbox: {do}: {answer['failed']}")
        if len(back) < answer["files"]:  # The kernel leaves out what this process may not open any more.
            for file in back:
                os.close(file)
            raise Full(f"sandbox: {do}: no room for more: this process has too many open files", retry_after_s=1.0)
        return answer, back

    @contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        connection = self._taken()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def _taken(self) -> socket.socket:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            pass
        if not self._may_connect.acquire(blocking=False):
            return self._free.get()
        # The new connection is handed over on one that exists; it is not given back, the request goes on with the new.
        ours, theirs = socket.socketpair()
        carrier = self._free.get()
        try:
            wire.send(carrier, {"do": "connect"}, [theirs.fileno()])
            wire.receive(carrier)
        finally:
            theirs.close()
            self._free.put(carrier)
        with self._lock:
            self._all.append(ours)
        return ours
