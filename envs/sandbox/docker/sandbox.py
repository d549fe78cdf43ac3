"""`Sandbox` over a container: its shell, its files, saving and forking it.

Owns: one session. Does not own: the container's life (`machine`), images of bases (`images`), which process owns what
is left behind (`engine`).

Not part of the files that are compared or saved: `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, which the engine
mounts into each container, `/dev`, `/proc`, `/sys` and `/dev/shm`.
"""

from __future__ import annotations

import posixpath
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from pivotgym.core.errors import InputError, MissingDependency, WorldFailed, WrongState
from pivotgym.envs.sandbox.contract import Changes, Limits, Ran, Sandbox, ShellState, Snapshot, Terminal
from pivotgym.envs.sandbox.docker import archives, images
from pivotgym.envs.sandbox.docker.changes import changes_of, command_lines, follow, is_folder, read_file
from pivotgym.envs.sandbox.docker.engine import calls, client, labels, remove_container
from pivotgym.envs.sandbox.docker.machine import Machine, Shell
from pivotgym.envs.sandbox.docker.pump import Pump
from pivotgym.envs.sandbox.shell import LOST, Session
from pivotgym.envs.sandbox.store.changes import merged

_WATCH_S = 1.0
_KILLED = 128 + 9
_TOLD_WITHIN_S = (0.03, 0.1, 0.3, 0.6, 1.0)
"""Pauses between asking the engine whether it was memory that a process was killed for: a busy one tells late."""


@dataclass(frozen=True)
class Place:
    """What a sandbox stands on and shares with its backend.

    Attributes:
        snapshot: What it was opened on.
        image: The image its container stands on: the snapshot's last, or that of a fork.
        inherited: Changes against the snapshot that `image` holds already.
        freeze: Makes a snapshot of (place, container, changes, shell, command lines).
        forget: Told of a fork's image once nothing of this sandbox needs it.
    """

    snapshot: Snapshot
    image: images.ImageConfig
    limits: Limits
    network: bool
    pump: Pump
    freeze: Callable[[Place, str, Changes, ShellState, tuple[str, ...]], Snapshot]
    forget: Callable[[str], None]
    inherited: Changes

    @property
    def user(self) -> str:
        """Who its shells run as."""
        return self.image.labels.get(images.USER) or "0"


class DockerSandbox(Sandbox):
    """A container with a session's shell. Made by `DockerBackend.open`."""

    def __init__(self, place: Place, shell: ShellState) -> None:
        self._place = place
        self._closed = False
        self._untouched: str | None = None
        self._shell: Shell | None = None
        self._ran = False
        self._lock = threading.Lock()
        self._machine = Machine(place.image.id, place.limits, place.pump, network=place.network)
        self._session = Session(self._launch, shell, place.limits)

    def run(self, command: str, *, timeout_s: float | None = None, stdin: bytes = b"") -> Ran:
        """See `Sandbox.run`."""
        self._check()
        begun = time.time()
        try:
            with self._disk_watched():
                ran = self._session.run(command, timeout_s=timeout_s, stdin=stdin)
        except WorldFailed:  # the engine tells no reason
            if self._ran and self._machine.running():  # earlier commands took away what a shell needs
                return LOST
            raise
        self._ran = True
        if ran.exit == _KILLED and self._out_of_memory(begun):
            return replace(ran, exit=None, ended="memory")
        return ran

    def terminal(self, *, columns: int = 160, rows: int = 40) -> Terminal:
        """See `Sandbox.terminal`: this backend has none."""
        raise MissingDependency(
            "docker backend: it has no terminal", hint="use the bubblewrap backend for actions that type keys"
        )

    def shell(self) -> ShellState:
        """See `Sandbox.shell`."""
        return self._session.state()

    def changes(self) -> Changes:
        """See `Sandbox.changes`."""
        self._check()
        return merged(self._place.inherited, changes_of(self._machine.id, self._reference))

    def read(self, path: str) -> bytes | None:
        """See `Sandbox.read`."""
        self._check()
        return read_file(self._machine.id, _absolute(path))

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """See `Sandbox.write`."""
        self._check()
        target = follow(self._machine.id, _absolute(path)) or path
        above = posixpath.dirname(target)
        while is_folder(self._machine.id, above) is None:
            above = posixpath.dirname(above)
        if path.endswith("/") or is_folder(self._machine.id, target) or not is_folder(self._machine.id, above):
            raise InputError(f"path {path!r}: expected a place for a file, there is a folder, or a file above it")
        with calls("writing a file"):
            client().put_archive(self._machine.id, "/", archives.pack_file(target, content, mode))

    def processes(self) -> tuple[str, ...]:
        """See `Sandbox.processes`."""
        self._check()
        shell = -1
        with calls("listing processes"):
            first = int(client().inspect_container(self._machine.id)["State"]["Pid"])
            if self._shell is not None:
                shell = int(client().exec_inspect(self._shell.exec)["Pid"])
        listed = command_lines(self._machine.id)
        helper = min((pid for pid, parent, _ in listed if parent == shell), default=-1)  # started before all others
        return tuple(line for pid, _, line in listed if pid not in (first, shell, helper))

    def save(self) -> Snapshot:
        """See `Sandbox.save`."""
        return self._place.freeze(self._place, self._machine.id, self.changes(), self.shell(), self.processes())

    def fork(self) -> Self:
        """See `Sandbox.fork`: by an image, which goes when nothing stands on it any more."""
        self._check()
        changes = self.changes()
        if changes == self._place.inherited:
            return type(self)(self._place, self.shell())
        image = images.commit(self._machine.id, labels("fork") | {images.USER: self._place.user})
        return type(self)(replace(self._place, image=images.image_config(image), inherited=changes), self.shell())

    def close(self) -> None:
        """See `Sandbox.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._machine.close()
        self._session.close()
        if self._untouched is not None:
            remove_container(self._untouched)
        self._place.forget(self._place.image.id)

    def _check(self) -> None:
        if self._closed:
            raise WrongState("sandbox: used after it was closed")

    def _launch(self) -> Shell:
        self._shell = self._machine.shell(self._place.user)
        return self._shell

    def _out_of_memory(self, since: float) -> bool:
        """Whether memory ran out since then; the engine may tell a moment after the process is gone."""
        for pause_s in _TOLD_WITHIN_S:
            if self._machine.out_of_memory(since):
                return True
            time.sleep(pause_s)
        return self._machine.out_of_memory(since)

    def _reference(self) -> str:
        """A container of the same image that never ran, to read what was before."""
        if self._untouched is None:
            with calls("reading changes"):
                made = client().create_container(self._machine.image, ["bash"], labels=labels("reference"))
            self._untouched = str(made["Id"])
        return self._untouched

    @contextmanager
    def _disk_watched(self) -> Iterator[None]:
        """End what runs once it has written more than it may."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_WATCH_S):
                if self._machine.written_mb() > self._place.limits.disk_mb and self._shell is not None:
                    self._shell.end_for("disk")
                    return

        watcher = threading.Thread(target=watch, name="docker-disk", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise InputError(f"path {path!r}: expected an absolute path inside")
    return posixpath.normpath(path)
