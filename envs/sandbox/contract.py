"""What a backend brings: `Backend` opens a `Sandbox` over a `Snapshot`; the rest of `envs.sandbox` knows only these.

Owns: the words that backends, store and worlds share (limits, snapshot, changes, what a command gave) and the errors
that each method may raise. Does not own: any backend (`envs.sandbox.bubblewrap`, `envs.sandbox.docker`), where layers
lie (`envs.sandbox.store`), or a shell's protocol (`envs.sandbox.shell`).

A snapshot is a stack of layers (file trees, each a difference to those below) with the shell's state. Layers are never
changed once they are committed, so any number of sandboxes can stand on one snapshot. What is not part of a snapshot:
running processes, open sockets, what lies in `/proc`, `/dev` and shared memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from pivotgym.core.errors import MissingDependency

Kind = Literal["file", "dir", "link", "fifo", "socket", "device"]


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use. Times in seconds, sizes in MiB but for `output_kb`.

    Attributes:
        wall_s: Wall time of one command; a call may ask for less.
        cpu_s: CPU time of one process.
        memory_mb: Memory of all processes together where the backend can say so, else of each.
        processes: Processes and threads at a time.
        file_mb: Size of one file.
        disk_mb: What may be written over the snapshot.
        files: Files and folders that may be added.
        output_kb: KiB kept of each of standard output and error; what is beyond is cut out of the middle. A command
            that goes on writing past 64 times that is ended.
    """

    wall_s: float = 30.0
    cpu_s: int = 60
    memory_mb: int = 1024
    processes: int = 256
    file_mb: int = 256
    disk_mb: int = 512
    files: int = 100_000
    output_kb: int = 256


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do on this machine. What it cannot is said, never silently left out.

    Attributes:
        fork: How a live sandbox is copied: `layers` (milliseconds), `image` (a commit by the container engine).
        terminal: Whether a pty can be opened.
        network: Whether an origin may ask for network.
        memory: `total` for a limit over all processes, `process` for one on each, `none`.
        disk: `exact` (the write that goes past fails), `watched` (the sandbox is ended soon after), `none`.
        users: Whether users other than root exist inside.
        system_writable: Whether `/usr` can be changed (packages installed) inside.
    """

    fork: Literal["layers", "image"]
    terminal: bool
    network: bool
    memory: Literal["total", "process", "none"]
    disk: Literal["exact", "watched", "none"]
    users: bool
    system_writable: bool


@dataclass(frozen=True)
class ShellState:
    """What of a shell outlives it.

    Attributes:
        cwd: Absolute working directory.
        umask: File mode creation mask.
        environment: Exported variables.
        definitions: Bash text that recreates what else a session holds: functions, variables that are not exported,
            options, aliases. Sourced after `environment` is set.
    """

    cwd: str = "/"
    umask: int = 0o022
    environment: Mapping[str, str] = field(default_factory=dict)
    definitions: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A frozen state of a machine.

    Attributes:
        backend: The backend that can open it.
        layers: Ids of its layers, the base first. For a container engine: ids of images, the last one counts.
        shell: The shell's state.
        digest: SHA-256 of the file tree's difference to the base, with the base's own identity and the shell's state:
            equal machines on one base have equal digests, however they came to be.
        processes: Command lines that ran beside the shell when it was taken, and are not restored.
    """

    backend: str
    layers: tuple[str, ...]
    shell: ShellState
    digest: str
    processes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One path of a file tree.

    Attributes:
        kind: What it is.
        mode: Permission bits, 0 to 0o7777; 0 for links.
        uid: Owner inside the sandbox; `gid` the group.
        size: Bytes, for files.
        digest: SHA-256 of a file's content, hex; a link's target as it is; a device's `major:minor`; else "".
    """

    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Change:
    """How a path differs: `None` before or after where it did not or does not exist."""

    before: Entry | None
    after: Entry | None


Changes = Mapping[str, Change]
"""Net changes by absolute path inside, sorted. A file written again with what it held is none; nor is a new mtime."""


@dataclass(frozen=True)
class Ran:
    """What one command gave.

    Attributes:
        stdout: Standard output, cut as `Limits.output_kb` says; `stderr` likewise.
        exit: Exit status as the shell's `$?`; `None` where the command was ended by a limit.
        ended: The limit that ended it: `time`, `output`, `memory`, `disk`, `died` for a shell that went down with the
            sandbox; `None` for a command that came to its own end. The sandbox stays usable: its files are as the
            command left them, its shell is a new one in the state before the command (after `memory`, the same one
            where the shell itself was spared).
        stdout_bytes: Bytes written in all, cut or not; `stderr_bytes` likewise.
        shell_ended: Whether the command ended the shell itself (`exit`, `exec`): the next one runs in a new shell.
    """

    stdout: bytes
    stderr: bytes
    exit: int | None
    ended: Literal["time", "output", "memory", "disk", "died"] | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    shell_ended: bool = False


class Terminal(ABC):
    """An interactive shell on a pty, for programs that want a screen and keys. Used by one thread at a time."""

    @abstractmethod
    def send(self, keys: str, *, wait_s: float) -> str:
        """Type keys and wait until the shell waits for input again, at most `wait_s` seconds.

        Returns:
            The text that appeared since the last call, as a terminal would show it, right-stripped line by line.
        """

    @abstractmethod
    def screen(self) -> str:
        """What the screen shows now, right-stripped line by line."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether a program other than the shell has the terminal: such a state cannot be saved."""

    @property
    @abstractmethod
    def last_exit(self) -> int | None:
        """Exit status of the last command that came to its end; `None` before the first."""


class Sandbox(ABC):
    """A live machine over a snapshot. Used by one thread at a time; `close` may come from any."""

    @abstractmethod
    def run(self, command: str, *, timeout_s: float | None = None, stdin: bytes = b"") -> Ran:
        """Run a command in the session's shell (cwd, variables, functions, umask live on).

        Raises:
            WorldFailed: If the sandbox itself broke; nothing the command does can cause that.
            WrongState: After `close`.
        """

    @abstractmethod
    def terminal(self, *, columns: int = 160, rows: int = 40) -> Terminal:
        """The session's terminal, opened in the shell's present state; from then on `run` is refused (WrongState).

        Raises:
            MissingDependency: If the backend has none.
        """

    @abstractmethod
    def shell(self) -> ShellState:
        """The shell's present state."""

    @abstractmethod
    def changes(self) -> Changes:
        """What differs from the snapshot this sandbox was opened on, read from outside."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """A file's content, read from outside; `None` where there is no regular file. Links are followed inside.

        Args:
            path: Absolute, inside.
        """

    @abstractmethod
    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file as root from outside; folders on the way are made. Arguments as for `read`.

        Raises:
            InputError: If the path is no place for a file.
        """

    @abstractmethod
    def processes(self) -> tuple[str, ...]:
        """Command lines that run beside the shell."""

    @abstractmethod
    def save(self) -> Snapshot:
        """Freeze the present state. The sandbox goes on; later changes are not part of the snapshot.

        Raises:
            PivotRefused: If a program has the terminal.
            WorldFailed: If the layer cannot be stored (a full disk of ours).
        """

    @abstractmethod
    def fork(self) -> Self:
        """A live copy with the same files and shell state, on the same snapshot. Processes are not copied."""

    @abstractmethod
    def close(self) -> None:
        """End it with all its processes. Calling it again does nothing."""


@dataclass(frozen=True)
class Base:
    """What a start is made of, resolved to files of this machine by whoever knows the origin.

    Attributes:
        identity: JSON that names the content (digests, not names): part of the snapshot's key.
        archives: Tar archives (any compression tarfile knows) with the folder inside where each is unpacked.
        folder: A folder whose tree is the base, copied in once, or what makes it when needed; `folder_at` where it goes
            inside.
        image: An image of the container engine, or "" for the machine's own tools (`/usr`, read-only).
        files: Small files by absolute path.
        shell: Where the session begins. Variables here are added to `HOME`, `PATH`, `LC_ALL`, `TZ`.
        user: Who the shell runs as, `name` or `uid:gid`.
    """

    identity: str
    archives: tuple[tuple[Path, str], ...] = ()
    folder: Path | Callable[[], Path] | None = None
    folder_at: str = "/"
    image: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    shell: ShellState = field(default_factory=ShellState)
    user: str = "root"

    def made_folder(self) -> Path | None:
        """The folder, made now where it was to be made when needed."""
        return self.folder() if callable(self.folder) else self.folder


@dataclass(frozen=True)
class Missing:
    """What keeps a backend from running here: what it is, and the command that mends it."""

    what: str
    command: str


class Backend(ABC):
    """Opens sandboxes. Thread-safe. One per process and kind, see `envs.sandbox.backends`."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    """Raised whenever snapshots made by an older version must not be reused."""

    @abstractmethod
    def missing(self) -> Missing | None:
        """Why it cannot run here, or `None`. Cheap: asked by `/ready`."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do here."""

    @abstractmethod
    def base(self, base: Base) -> Snapshot:
        """The snapshot of a start, built once on this machine.

        Raises:
            MissingDependency: If the backend cannot run here.
            InputError: If an archive cannot be unpacked.
        """

    @abstractmethod
    def open(self, snapshot: Snapshot, *, limits: Limits | None = None, network: bool = False) -> Sandbox:
        """A sandbox over a snapshot.

        Raises:
            MissingDependency: If the backend cannot run here.
            NotFound: If a layer is no longer there: build the snapshot again.
            Full: If the machine has no room for one more.
        """

    def changes_since_base(self, snapshot: Snapshot) -> Changes:
        """Net changes of a snapshot against the base it goes back to.

        Raises:
            NotFound: If a layer is no longer there.
            MissingDependency: If this backend cannot tell, which is the default.
        """
        raise MissingDependency(f"{self.name} backend: it cannot tell what a snapshot changes against its base")

    def drop(self, snapshot: Snapshot) -> None:  # noqa: B027 - layers of the store are the store's to remove
        """Free what a snapshot alone stands on that is not in the store, which names it no more; by default nothing.

        Raises:
            MissingDependency: If the backend cannot run here.
        """

    @abstractmethod
    def close(self) -> None:
        """End all its sandboxes. Calling it again does nothing."""
