"""A sandbox as the rest of the program sees it: `Sandbox` over the warden's requests and a shell.

Owns: one session's shell, its files and its end, on the server's side. Does not own: the mounts and processes
(`machine`, in the warden), bash's protocol (`envs.sandbox.shell`).
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pivotgym.core.errors import MissingDependency, PivotRefused, WorldFailed, WrongState
from pivotgym.envs.sandbox.bubblewrap.client import WardenClient
from pivotgym.envs.sandbox.bubblewrap.wire import readable
from pivotgym.envs.sandbox.contract import Changes, Limits, NoShell, Ran, Sandbox, ShellState, Snapshot, Terminal
from pivotgym.envs.sandbox.shell import LOST, Session
from pivotgym.envs.sandbox.store.changes import from_json

if TYPE_CHECKING:
    from pivotgym.envs.sandbox.shell.terminal import PtyTerminal

_KILLED = 128 + 9


@dataclass(frozen=True)
class Place:
    """What a sandbox of this backend stands on.

    Attributes:
        snapshot: What it was opened on.
        limits: What it may use.
        uid: Who its shell runs as, inside; `gid` the group.
        network: Whether it shares the host's network.
        saved: Makes a snapshot of a new layer: (this place, its id or None, its changes, shell, processes).
        disk: A folder of the disk that it writes to; `None` where that is memory of its own.
    """

    snapshot: Snapshot
    limits: Limits
    uid: int
    gid: int
    network: bool
    saved: Callable[[Place, str | None, Changes, ShellState, tuple[str, ...]], Snapshot]
    disk: Path | None = None


class Started:
    """A bash that the warden has started: `shell.Process`, or `TerminalProcess` where it is on a terminal.

    Args:
        warden: The warden.
        name: The sandbox.
        place: What it stands on.
        oom: Counts processes killed for memory.
        size: Columns and rows of its terminal; `None` for pipes.
    """

    def __init__(
        self, warden: WardenClient, name: str, place: Place, oom: OomCount, size: tuple[int, int] | None = None
    ) -> None:
        self._warden, self._name, self._oom = warden, name, oom
        facts, files = warden.files(
            "start", name=name, uid=place.uid, gid=place.gid, network=place.network, terminal=size is not None
        )
        self.control, self.report, self._status, *rest = files
        if size is None:
            self.stdout, self.stderr = rest
        else:
            [self.master] = rest
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.control_path, self.report_path = (f"/dev/fd/{facts[end]}" for end in ("control", "report"))
        self._said = b""
        self._ended = False
        self._lock = threading.Lock()

    def wait(self, timeout_s: float) -> int | None:
        """Bash's exit status; `None` while it runs."""
        deadline = time.monotonic() + timeout_s
        while self._status >= 0 and readable(self._status, max(0.0, deadline - time.monotonic())):
            said = os.read(self._status, 4096)
            self._said += said
            if not said or b"exit-code" in self._said:
                os.close(self._status)
                self._status = -1
        if self._status >= 0:
            return None
        code = _exit_code(self._said)
        return _KILLED if code is None else code  # bubblewrap was killed with all the rest, and said nothing

    def end(self) -> None:
        """End every process of the sandbox."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._warden.end("kill", name=self._name)
                self.wait(0)
                if self._status >= 0:
                    os.close(self._status)
                    self._status = -1

    def reason(self) -> Literal["memory", "disk", "died"] | None:
        """The limit that ended it."""
        if self._oom.grown():
            return "memory"
        return "disk" if self._warden.call("over", name=self._name)["over"] else None


class OomCount:
    """Whether the kernel killed processes of a sandbox for memory, from one command's beginning to now.

    Args:
        file: The control group's file with a line `oom_kill N`; "" where there are no control groups.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._before = 0

    def begin(self) -> None:
        """A command begins."""
        self._before = self._now()

    def grown(self) -> bool:
        """Whether one was killed since."""
        return self._now() > self._before

    def _now(self) -> int:
        if self._file:
            with suppress(OSError), open(self._file, encoding="ascii") as opened:
                for line in opened:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0


class BubblewrapSandbox(Sandbox):
    """A sandbox in a warden, mounted already.

    Args:
        warden: The warden.
        opened: What it answered to `open` or `fork`.
        place: What it stands on.
        state: Where its shell begins.
    """

    def __init__(self, warden: WardenClient, opened: dict[str, Any], place: Place, state: ShellState) -> None:
        self._warden, self._name, self._place = warden, str(opened["name"]), place
        self._oom = OomCount(opened["oom_file"])
        self._session = Session(lambda: Started(warden, self._name, place, self._oom), state, place.limits)
        self._terminal: PtyTerminal | None = None
        self._closed = False
        self._using, self._closing = threading.Lock(), threading.Lock()

    def run(self, command: str, *, timeout_s: float | None = None, stdin: bytes = b"") -> Ran:
        """As `Sandbox.run`."""
        self._open()
        if self._terminal:
            raise WrongState("sandbox: its terminal is open, commands go there", hint="type them with `send`")
        self._oom.begin()
        with self._using:
            try:
                ran = self._session.run(command, timeout_s=timeout_s, stdin=stdin)
            except NoShell:
                if len(self._place.snapshot.layers) == 1 and not self.changes():
                    raise  # nothing that commands did, for there were none
                ran = LOST
        self._had_room()
        if ran.exit == _KILLED and self._oom.grown():
            # The kernel chose a process of the command and left the shell; it goes on as after any other command.
            return replace(ran, exit=None, ended="memory")
        return ran

    def terminal(self, *, columns: int = 160, rows: int = 40) -> Terminal:
        """As `Sandbox.terminal`. A second call gives the same one, in the new size."""
        self._open()
        if self._terminal:
            self._terminal.resize(columns, rows)
            return self._terminal
        try:
            from pivotgym.envs.sandbox.shell.terminal import PtyTerminal
        except ImportError as error:
            raise MissingDependency("terminal: pyte is not installed", hint="pip install pivotgym[serve]") from error
        state = self._session.state()
        self._session.close()

        def launch(columns: int, rows: int) -> Started:
            return Started(self._warden, self._name, self._place, self._oom, (columns, rows))

        self._terminal = PtyTerminal(launch, state, columns=columns, rows=rows)
        return self._terminal

    def shell(self) -> ShellState:
        """As `Sandbox.shell`."""
        self._open()
        return self._terminal.state() if self._terminal else self._session.state()

    def changes(self) -> Changes:
        """As `Sandbox.changes`."""
        return from_json(self._call("changes")["changes"])

    def read(self, path: str) -> bytes | None:
        """As `Sandbox.read`."""
        self._open()
        file = self._warden.file("read", name=self._name, path=path)
        if file is None:
            return None
        with os.fdopen(file, "rb") as opened:
            return opened.read()

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """As `Sandbox.write`."""
        self._open()
        with memory_file(content) as file:
            self._warden.call("write", [file], name=self._name, path=path, mode=mode)

    def processes(self) -> tuple[str, ...]:
        """As `Sandbox.processes`."""
        return tuple(self._call("processes")["processes"])

    def save(self) -> Snapshot:
        """As `Sandbox.save`."""
        if self._terminal and self._terminal.busy:
            raise PivotRefused("sandbox: a program has the terminal, and programs are not part of a snapshot")
        state, processes = self.shell(), self.processes()
        answer = self._call("save")
        return self._place.saved(self._place, answer["layer"], from_json(answer["changes"]), state, processes)

    def fork(self) -> Self:
        """As `Sandbox.fork`."""
        state = self.shell()
        return type(self)(self._warden, self._call("fork"), self._place, state)

    def close(self) -> None:
        """As `Sandbox.close`."""
        with self._closing:
            if not self._closed:
                self._closed = True
                # A command that runs in another thread sees its pipes end, and gives its shell up itself.
                self._warden.end("close", name=self._name)
                with self._using:
                    self._session.close()
                if self._terminal:
                    self._terminal.close()

    def _had_room(self) -> None:
        """What a command did on a disk of ours that had no room for one file is no result of its own."""
        disk, most = self._place.disk, self._place.limits.file_mb
        if disk and (free := free_mb(disk)) < most:
            raise WorldFailed(
                f"sandbox: expected room for a file of {most} MiB beside what was written, {disk} has {free} MiB left",
                hint="free some, or set PIVOTGYM_SNAPSHOTS to a folder on another disk",
            )

    def _call(self, do: str) -> dict[str, Any]:
        self._open()
        return self._warden.call(do, name=self._name)

    def _open(self) -> None:
        if self._closed:
            raise WrongState("sandbox: used after it was closed", hint="open the snapshot again")


def free_mb(folder: str | Path) -> int:
    """MiB that can be written where a folder lies."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >> 20


class memory_file:  # noqa: N801 - used as a function
    """A context manager that gives a descriptor of a file in memory with this content, at its beginning."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __enter__(self) -> int:
        self._file = os.memfd_create("content", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(self._file), "wb") as stream:
            stream.write(self._content)
        os.lseek(self._file, 0, os.SEEK_SET)
        return self._file

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _exit_code(said: bytes) -> int | None:
    for line in said.decode(errors="replace").splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            if "exit-code" in found:
                return int(found["exit-code"])
    return None
