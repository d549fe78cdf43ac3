"""One sandbox in the warden: its mounts, its processes, its end.

Owns: the overlay over a snapshot's layers, starting bubblewrap in it with limits, killing everything in it, unmounting.
Does not own: the shell's protocol (the server talks it over the descriptors it handed in), or what changed (`store`).

Used by one thread at a time, except that `kill` may come from another.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap import arguments, filters, syscalls, wire
from pivotgym.envs.sandbox.bubblewrap.userns import Stock
from pivotgym.envs.sandbox.contract import Limits
from pivotgym.envs.sandbox.store.copying import copy_tree

MOUNTS = "/tmp"
"""Where the warden's own tmpfs lies: it hides this folder of the host in the warden's namespace only."""
_KILLED_S = 10.0
_LONGEST_LINE = 4096


class Guardian:
    """The line to the guardian, for control groups. Thread-safe.

    Args:
        line: The socket.
        groups: Whether there are control groups here.
    """

    def __init__(self, line: socket.socket, groups: bool) -> None:
        self._line, self.groups = line, groups
        self._lock = threading.Lock()

    def ask(self, **request: object) -> dict[str, str]:
        """Have a request done.

        Raises:
            OSError: If it could not be done.
        """
        with self._lock:
            wire.send(self._line, request)
            answer = wire.receive(self._line)
        if answer is None or "error" in answer[0]:
            raise OSError(f"control group: {answer[0]['error'] if answer else 'the guardian is gone'}")
        return answer[0]


@dataclass(frozen=True)
class Means:
    """What every machine needs.

    Attributes:
        bubblewrap: The program's path.
        empty: An empty folder, shown where one is hidden.
        namespaces: User namespaces.
        guardian: Makes control groups.
        in_memory: Whether what is written may lie in memory; else it lies in the store's `tmp`.
    """

    bubblewrap: str
    empty: str
    namespaces: Stock
    guardian: Guardian
    in_memory: bool


@dataclass(frozen=True)
class Pipes:
    """Descriptors of a started command.

    Attributes:
        stdin: Standard input; `stdout` and `stderr` likewise.
        status: Where bubblewrap writes how it ended.
        more: Others that it gets, under the same numbers.
    """

    stdin: int
    stdout: int
    stderr: int
    status: int
    more: tuple[int, ...]


class Machine:
    """A mounted sandbox, at first without processes. `over` says that it was ended for what it wrote (`watch`).

    Args:
        name: Unique in this warden; the name of its folder.
        layers: Trees relative to the store, the base first.
        binds: Folders of the host to show, read-only.
        hidden: What of those not to show: folders and files.
        limits: What it may use.
        means: The warden's means.
        written: A folder with what was written over those layers, which is copied; none for a fresh sandbox.

    Raises:
        OSError: If it cannot be mounted, for example because a layer is gone.
    """

    def __init__(
        self,
        name: str,
        layers: list[str],
        binds: list[str],
        hidden: list[str],
        limits: Limits,
        means: Means,
        written: str = "",
    ) -> None:
        self.name, self.layers, self.limits, self.oom_file = name, layers, limits, ""
        self.binds, self.hidden, self._means = binds, hidden, means
        self._folder = f"{MOUNTS}/{name}"
        self._running: tuple[subprocess.Popen[bytes], int, int] | None = None
        self._lock = threading.RLock()
        self.over = self._closed = False
        self._userns = -1
        self.root = f"{self._folder}/root"
        place = f"{self._folder}/rw" if means.in_memory else f"tmp/{name}"
        self.upper = f"{place}/upper"
        try:
            self._mount(place, written)
            if means.guardian.groups:
                # What is written counts as memory too; it has its own limit, so it is added.
                memory = (limits.memory_mb + limits.disk_mb) << 20
                answer = means.guardian.ask(do="make", name=name, memory=memory, processes=limits.processes)
                self.oom_file = answer["counts"]
        except OSError:
            self.close()
            raise

    def _mount(self, place: str, written: str) -> None:
        os.makedirs(self.root)
        os.mkdir(place)
        if self._means.in_memory:
            size = f"size={self.limits.disk_mb}m,nr_inodes={self.limits.files + 16},mode=755"
            syscalls.mount("sandbox", place, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, size)
        os.mkdir(self.upper)
        os.mkdir(f"{place}/work")
        if written:
            copy_tree(written, self.upper)
        lower = ":".join(reversed(self.layers))
        options = f"lowerdir={lower},upperdir={self.upper},workdir={place}/work,userxattr"
        syscalls.mount("sandbox", self.root, "overlay", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
        for folder in self.binds:
            self._show(folder)
        for path in self.hidden:
            nothing = self._means.empty if os.path.isdir(path) else "/dev/null"
            syscalls.bind_read_only(nothing, self.root + path)

    def _show(self, folder: str) -> None:
        """Mount a folder of the host, read-only, under what the base itself has there."""
        own = f"{self.layers[0]}{folder}"
        if not os.path.isdir(own) or not os.listdir(own):
            syscalls.bind_read_only(folder, self.root + folder)
            return
        flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("sandbox", self.root + folder, "overlay", flags, f"lowerdir={own}:{folder},userxattr")

    def start(self, command: list[str], files: Pipes, *, network: bool, terminal: bool) -> None:
        """Run a command as the first of the sandbox; whatever ran before is killed.

        Args:
            command: What to run.
            files: Its ends of the pipes, which are not closed here.
            network: Whether the host's network is shared.
            terminal: Whether standard input is a terminal.

        Raises:
            OSError: If it cannot be started.
        """
        with self._lock:
            if self._closed:
                raise OSError(f"sandbox {self.name}: closed by another thread")
            self.kill()
            self.over = False
            if self._userns < 0:
                self._userns = self._means.namespaces.take()
            with ExitStack() as stack:
                (ready, info), (block, go) = os.pipe(), os.pipe()
                for file in (ready, block, go):
                    stack.callback(os.close, file)
                with ExitStack() as theirs:
                    theirs.callback(os.close, info)
                    process = self._launched(command, files, info, block, network, terminal, theirs)
                self._first_process(process, ready)
                os.write(go, b"!")

    def _launched(
        self, command: list[str], files: Pipes, info: int, block: int, network: bool, terminal: bool, theirs: ExitStack
    ) -> subprocess.Popen[bytes]:
        """Start bubblewrap; what `theirs` closes may be closed once this returns."""
        rules = filters.program()
        seccomp = _in_memory(rules, theirs) if rules else -1
        options = arguments.options(
            self.root, userns=self._userns, info=info, block=block, status=files.status, seccomp=seccomp,
            network=network, terminal=terminal,
        )  # fmt: skip
        # The command line can be read inside, where it would tell one sandbox from another: options come by a file.
        given = _in_memory("".join(f"{word}\0" for word in options).encode(), theirs)
        passed = [*files.more, files.status, self._userns, info, block, given, *([seccomp] if rules else [])]
        return subprocess.Popen(
            [self._means.bubblewrap, "--args", str(given), "--", *command], stdin=files.stdin, stdout=files.stdout,
            stderr=files.stderr, cwd="/", env={}, pass_fds=passed,
        )  # fmt: skip

    def _first_process(self, process: subprocess.Popen[bytes], ready: int) -> None:
        """Wait for bubblewrap's child, which waits for us, and put the limits on it."""
        text = b""
        while not text.rstrip().endswith(b"}") and (part := os.read(ready, 4096)):
            text += part
        if not text:
            raise OSError(f"bubblewrap ended with status {process.wait()} before the sandbox was ready")
        pid = int(json.loads(text)["child-pid"])
        self._running = (process, os.pidfd_open(pid), pid)
        for what, most in _process_limits(self.limits, total=self._means.guardian.groups).items():
            resource.prlimit(pid, what, (most, most))
        if self._means.guardian.groups:
            self._means.guardian.ask(do="add", name=self.name, pid=pid)

    @property
    def running(self) -> bool:
        """Whether anything was started in it and not killed since."""
        return self._running is not None

    def kill(self) -> None:
        """End all its processes and wait until they are gone. The files stay."""
        with self._lock:
            if self._running is None:
                return
            process, first, _ = self._running
            self._running = None
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(first, signal.SIGKILL)
            # The first process of a namespace is not gone before all others are.
            wire.readable(first, _KILLED_S)
            os.close(first)
            process.kill()
            process.wait()

    def processes(self) -> list[str]:
        """Command lines of what runs in it beside the shell, which is the one child of its first process."""
        with self._lock:
            pid = self._running[2] if self._running else None
        if pid is None:
            return []
        first = _children(pid)
        return sorted(" ".join(_command_line(child)) for child in _descendants(pid) if child not in first[:1])

    def close(self) -> None:
        """End it and unmount everything. Calling it again does nothing."""
        with self._lock:
            self._closed = True
            self.kill()
            if self._userns >= 0:
                os.close(self._userns)
                self._userns = -1
            for place in (self.root, f"{self._folder}/rw"):
                with suppress(OSError):  # Not mounted, or no longer.
                    syscalls.unmount(place)
            if self.oom_file:
                self._means.guardian.ask(do="remove", name=self.name)
                self.oom_file = ""
            for folder in (self._folder, f"tmp/{self.name}"):
                shutil.rmtree(folder, ignore_errors=True)


def _in_memory(content: bytes, stack: ExitStack) -> int:
    """A descriptor of a file in memory, at its beginning."""
    file = os.memfd_create("options", os.MFD_CLOEXEC)
    stack.callback(os.close, file)
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _process_limits(limits: Limits, *, total: bool) -> dict[int, int]:
    """Limits of each process. `total` where control groups limit memory over all of them."""
    found = {
        # One byte: too little for a file, and to the kernel the sign that no program of the host gets the dump either.
        resource.RLIMIT_CORE: 1,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_FSIZE: limits.file_mb << 20,
        resource.RLIMIT_NOFILE: 4096,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_MEMLOCK: 64 << 10,
        resource.RLIMIT_MSGQUEUE: 819200,
    }
    return found if total else {**found, resource.RLIMIT_AS: limits.memory_mb << 20}


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def _descendants(pid: int) -> list[int]:
    return [deeper for child in _children(pid) for deeper in (child, *_descendants(child))]


def _command_line(pid: int) -> list[str]:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as opened:
        # A process may have megabytes of arguments.
        line = opened.read(_LONGEST_LINE).removesuffix(b"\0")
        return [os.fsdecode(word) for word in line.split(b"\0")]
    return []
