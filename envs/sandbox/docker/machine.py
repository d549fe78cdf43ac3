"""One running container, and the bash that is started in it.

Owns: starting it with its limits, its first process, ending what runs in it, streams into it. Does not own: what is
said to the bash (`envs.sandbox.shell`), files (`envs.sandbox.docker.changes`).

The first process is a bash that reads lines from a pipe only this server holds: for each it ends every other process
of the container, and at the pipe's end (the server is gone, however) itself and with it the container, which the engine
then removes. It reaps what is orphaned, too. Starting a program to end the others would fail under a fork bomb.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from pivotgym.core.errors import InputError, NotFound, WorldFailed
from pivotgym.envs.sandbox.contract import Limits, NoShell
from pivotgym.envs.sandbox.docker.engine import calls, client, labels, remove_container
from pivotgym.envs.sandbox.docker.marks import new_mark, shell_argv
from pivotgym.envs.sandbox.docker.pump import Pump

_FIRST = ["bash", "--norc", "--noprofile", "-c", "while read -r _; do kill -KILL -1; echo; done"]
_OWN_PROCESSES = 8
"""The first process, the shell's helpers, and what the engine starts beside them."""
_END_S = 20.0
_KILLED = 128 + 9
_MIB = 1 << 20


class Machine:
    """A container that runs.

    Args:
        image: What it stands on.
        limits: What it may use.
        network: Whether it may reach the network.
        pump: Takes its streams apart.

    Raises:
        NotFound: If the image is not there.
        NoShell: If there is no bash in it that can be started.
        WorldFailed: If it does not start.
    """

    def __init__(self, image: str, limits: Limits, pump: Pump, *, network: bool) -> None:
        self.image, self._limits, self._pump = image, limits, pump
        self._lock = threading.Lock()
        self._closed = False
        api = client()
        with _shell_missing(), calls("starting a container"):
            self.id = str(
                api.create_container(
                    image, _FIRST, entrypoint=[], stdin_open=True, user="0", working_dir="/", labels=labels("sandbox"),
                    network_disabled=not network, host_config=_host_config(limits, network),
                )["Id"]
            )  # fmt: skip
            try:
                self._stream = api.attach_socket(self.id, params={"stdin": 1, "stdout": 1, "stream": 1})
                api.start(self.id)
            except BaseException:
                remove_container(self.id)
                raise

    def end_processes(self) -> None:
        """End every process but the first, from any thread; they are gone when this returns."""
        with self._lock:
            if self._closed:
                return
            stream: socket.socket = self._stream._sock
            stream.settimeout(0)
            with suppress(BlockingIOError):
                while stream.recv(1 << 16):  # whatever was written to the first process's output
                    pass
            stream.settimeout(_END_S)
            try:
                stream.sendall(b"\n")
                if stream.recv(1 << 10):
                    return
            except OSError as error:
                raise WorldFailed(f"a container did not end its processes: {error}") from error
            raise WorldFailed("a container ended while its processes were to be ended")

    def shell(self, user: str) -> Shell:
        """Start a bash as `envs.sandbox.shell.driver` wants it."""
        return Shell(self, self._pump, user)

    def execute(self, argv: list[str], user: str, *, tty: bool = False) -> tuple[str, socket.socket, bytes]:
        """Start a program: its id, its connection, and what of its output was read with the engine's answer."""
        api = client()
        with calls("starting a program in a container"):
            started = str(api.exec_create(self.id, argv, stdin=True, tty=tty, user=user, workdir="/")["Id"])
            stream = api.exec_start(started, tty=tty, socket=True)
        # The SDK gives the bare socket of an answer that it has read through a buffer.
        connection = socket.socket(fileno=os.dup(stream.fileno()))
        stream._sock.setblocking(False)
        early = bytes(stream._response.raw._fp.fp.peek())
        stream._response.close()
        return started, connection, early

    def running(self) -> bool:
        """Whether the container is there and its first process lives."""
        return bool(self.state().get("Running"))

    def state(self) -> dict[str, Any]:
        """What the engine says of it; nothing when it is gone."""
        try:
            with calls("looking at a container"):
                return dict(client().inspect_container(self.id)["State"])
        except WorldFailed as error:
            if not error.details.get("gone"):
                raise
            return {}

    def out_of_memory(self, since: float) -> bool:
        """Whether the engine has told since then (as `time.time`) that memory had run out and a process was ended."""
        with calls("reading events"):
            told = client().events(
                since=since, until=time.time(), filters={"container": self.id, "event": "oom"}, decode=True
            )
            return any(True for _ in told)

    def written_mb(self) -> float:
        """MiB that it holds over its image."""
        api = client()
        with calls("measuring a container"):
            found = api._result(api._get(api._url("/containers/{0}/json", self.id), params={"size": 1}), json=True)
        return float(found.get("SizeRw") or 0) / _MIB

    def close(self) -> None:
        """End and remove it. Calling it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        remove_container(self.id)
        with suppress(OSError):
            self._stream._response.close()
            self._stream.close()


class Shell:
    """A started bash: `envs.sandbox.shell.channel.Process`.

    Attributes:
        exec: The engine's id of the program.
    """

    control_path, report_path = "/dev/fd/3", "/dev/fd/4"

    def __init__(self, machine: Machine, pump: Pump, user: str) -> None:
        self._machine = machine
        self._ended: Literal["memory", "disk"] | None = None
        mark = new_mark()
        self.exec, connection, early = machine.execute(shell_argv(mark), user)
        self.control = os.dup(connection.fileno())
        self.stdout, self.stderr, self.report = pump.split(connection, mark, early)

    def wait(self, timeout_s: float) -> int | None:
        """See `Process.wait`."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with calls("looking at a shell"):
                    found = client().exec_inspect(self.exec)
            except NotFound:  # it went with its container
                return _KILLED
            if not found["Running"] and found["ExitCode"] is not None:
                return int(found["ExitCode"])
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.002)

    def end(self) -> None:
        """See `Process.end`."""
        self._machine.end_processes()

    def end_for(self, limit: Literal["memory", "disk"]) -> None:
        """End every process because of a limit."""
        self._ended = limit
        self._machine.end_processes()

    def reason(self) -> Literal["memory", "disk", "died"] | None:
        """See `Process.reason`."""
        return self._ended or (None if self._machine.running() else "died")


@contextmanager
def _shell_missing() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if f'exec: "{_FIRST[0]}"' in error.message:
            raise NoShell(f"the machine has no bash that can be started: {error.message}") from error
        raise


def _host_config(limits: Limits, network: bool) -> Any:
    from docker.types import LogConfig, Ulimit

    size = limits.file_mb * _MIB
    bounds = {"fsize": size, "cpu": limits.cpu_s, "core": 1}  # core: see the bubblewrap backend
    return client().create_host_config(
        auto_remove=True,
        network_mode="bridge" if network else "none",
        mem_limit=limits.memory_mb * _MIB,
        memswap_limit=limits.memory_mb * _MIB,
        pids_limit=limits.processes + _OWN_PROCESSES,
        security_opt=["no-new-privileges"],
        log_config=LogConfig(type="none"),
        ulimits=[Ulimit(name=name, soft=bound, hard=bound) for name, bound in bounds.items()],
    )
