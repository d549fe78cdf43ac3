"""The helper process in which all sandboxes of one server live: `python -m pivotgym.envs.sandbox.bubblewrap.warden`.

Owns: the user and mount namespace of the sandboxes, and the requests of the server, each a frame of `wire` with `do`
and its arguments, answered by a frame with the result or an `error`. Does not own: one sandbox (`machine`), its files
(`inside`), the rights of the starter (`guardian`).

It is root within its user namespace and nothing outside of it. Its mounts are in its own mount namespace, so when it
ends, by `kill -9` too, nothing is left but what lies in the store.
"""

from __future__ import annotations

import argparse
import bz2
import encodings.ascii
import encodings.latin_1
import encodings.utf_8
import gzip
import itertools
import lzma
import os
import shutil
import signal
import socket
import tempfile
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from pivotgym.core.errors import PivotGymError, WorldFailed
from pivotgym.envs.sandbox.bubblewrap import guardian, inside, syscalls, watch, wire
from pivotgym.envs.sandbox.bubblewrap.arguments import as_user
from pivotgym.envs.sandbox.bubblewrap.machine import MOUNTS, Guardian, Machine, Means, Pipes
from pivotgym.envs.sandbox.bubblewrap.userns import Stock
from pivotgym.envs.sandbox.contract import Limits
from pivotgym.envs.sandbox.shell.driver import argv, terminal_argv
from pivotgym.envs.sandbox.store.changes import changes_of, to_json
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.layers import Hold, LayerStore

# Once inside, Python's own folder may be out of reach (in root's home, say): what it would import late is here already.
_LOADED_EARLY = (bz2, encodings.ascii, encodings.latin_1, encodings.utf_8, gzip, lzma, zlib)

Answer = tuple[dict[str, Any], list[int]]
"""What is sent back, with descriptors that are closed once it is sent."""


class Warden:
    """Serves requests; each connection on a thread of its own.

    Args:
        means: What machines need.
        ids: How many ids exist inside.
    """

    def __init__(self, means: Means, ids: int) -> None:
        self._means, self._ids = means, ids
        self._store = LayerStore(".", Ids())
        self._holds: dict[str, Hold] = {}
        self._layers: dict[str, list[str]] = {}
        self._machines: dict[str, Machine] = {}
        self._numbers = itertools.count(1)
        if not means.in_memory:
            watch.start(lambda: list(self._machines.values()))
        self._requests: dict[str, Callable[..., Answer]] = {
            "hello": self.hello, "open": self.open, "start": self.start, "kill": self.kill, "read": self.read,
            "processes": self.processes, "changes": self.changes, "write": self.write, "close": self.close,
            "connect": self.connect, "fork": self.fork, "save": self.save, "base": self.base, "over": self.over,
        }  # fmt: skip

    def serve(self, connection: socket.socket) -> None:
        """Answer one connection until the other side ends it.

        The thread must outlive the sandboxes that it starts: the kernel ends them with it (`--die-with-parent`). So
        the server never ends one connection alone.
        """
        while (received := wire.receive(connection)) is not None:
            request, files = received
            answer, back = self._answered(request, files)
            try:
                wire.send(connection, {**answer, "files": len(back)}, back)
            finally:
                for file in back:
                    os.close(file)
        os._exit(0)

    def _answered(self, request: dict[str, Any], files: list[int]) -> Answer:
        keep = request.get("do") == "connect"
        try:
            return self._requests[request.pop("do")](files=files, **request)
        except PivotGymError as error:
            return {"error": error.to_wire()}, []
        except Exception as error:  # Whatever it is, the server is told; other sandboxes go on.
            number = error.errno if isinstance(error, OSError) else None
            return {"failed": f"{type(error).__name__}: {error}", "number": number}, []
        finally:
            for file in [] if keep else files:
                os.close(file)

    def hello(self, files: list[int]) -> Answer:
        """What this warden can do."""
        means = self._means
        return {"ids": self._ids, "in_memory": means.in_memory, "groups": means.guardian.groups}, []

    def connect(self, files: list[int]) -> Answer:
        """Serve one connection more."""
        for file in files:
            threading.Thread(target=self.serve, args=(socket.socket(fileno=file),), daemon=True).start()
        return {}, []

    def open(
        self, layers: list[str], binds: list[str], hidden: list[str], limits: dict[str, Any], files: list[int]
    ) -> Answer:
        """Mount a sandbox over layers of the store, the base first."""
        return self._opened(layers, binds, hidden, Limits(**limits))

    def fork(self, name: str, files: list[int]) -> Answer:
        """Mount a sandbox over the same layers as another, with what that one has written."""
        machine = self._machine(name)
        layers = self._layers[name]
        answer = self._opened(layers, machine.binds, machine.hidden, machine.limits, machine.upper)
        if self._machines.get(name) is not machine:
            self.close(answer[0]["name"], [])
            raise _closed(name)
        return answer

    def _opened(
        self, layers: list[str], binds: list[str], hidden: list[str], limits: Limits, written: str = ""
    ) -> Answer:
        name = f"{os.getpid()}-{next(self._numbers)}"
        hold = self._store.hold(layers)
        # On disk it has a folder in the store's `tmp`, which others would sweep up.
        self._store.locks.share([name])
        try:
            trees = [str(self._store.path(layer)) for layer in layers]
            machine = Machine(name, trees, binds, hidden, limits, self._means, written)
        except BaseException:
            hold.release()
            self._store.locks.release([name])
            raise
        self._machines[name], self._holds[name], self._layers[name] = machine, hold, layers
        return {"name": name, "oom_file": machine.oom_file}, []

    def _machine(self, name: str) -> Machine:
        machine = self._machines.get(name)
        if machine is None:
            raise _closed(name)
        return machine

    def start(self, name: str, uid: int, gid: int, network: bool, terminal: bool, files: list[int]) -> Answer:
        """Start a sandbox's bash.

        Sends back the server's ends of: control, report, how it ended, then standard output and error, or the terminal.
        """
        machine = self._machine(name)
        with ExitStack() as theirs:
            back: list[int] = []
            try:
                control = _pipe(theirs, back, uid, gid, writes=True)
                report, status = (_pipe(theirs, back, uid, gid) for _ in range(2))
                standard = _terminal(theirs, back, uid, gid) if terminal else _standard(theirs, back, uid, gid)
                path = f"/dev/fd/{control}"
                command = ["setsid", "--ctty", *terminal_argv(path)] if terminal else argv(path)
                pipes = Pipes(*standard, status, (control, report))
                machine.start([*as_user(uid, gid), *command], pipes, network=network, terminal=terminal)
            except BaseException:
                for file in back:
                    os.close(file)
                raise
            return {"control": control, "report": report}, back

    def kill(self, name: str, files: list[int]) -> Answer:
        """End a sandbox's processes; of one that is closed there are none."""
        if machine := self._machines.get(name):
            machine.kill()
        return {}, []

    def processes(self, name: str, files: list[int]) -> Answer:
        """What runs in a sandbox."""
        beside = [line for line in self._machine(name).processes() if line]
        return {"processes": beside}, []

    def changes(self, name: str, files: list[int]) -> Answer:
        """What a sandbox has changed."""
        machine = self._machine(name)
        return {"changes": to_json(changes_of(machine.upper, machine.layers, Ids()))}, []

    def over(self, name: str, files: list[int]) -> Answer:
        """Whether a sandbox was ended for what it has written."""
        machine = self._machines.get(name)
        return {"over": machine is not None and machine.over}, []

    def read(self, name: str, path: str, files: list[int]) -> Answer:
        """A descriptor of a sandbox's file."""
        file = inside.open_file(self._machine(name).root, path)
        return {}, [] if file is None else [file]

    def write(self, name: str, path: str, mode: int, files: list[int]) -> Answer:
        """Write a file in a sandbox."""
        inside.write_file(self._machine(name).root, path, files[0], mode)
        return {}, []

    def close(self, name: str, files: list[int]) -> Answer:
        """End a sandbox."""
        machine = self._machines.pop(name, None)
        if machine:
            machine.close()
            self._holds.pop(name).release()
            self._store.locks.release([name])
            self._layers.pop(name)
        return {}, []

    def save(self, name: str, files: list[int]) -> Answer:
        """Store what a sandbox has written as a layer; `layer` is null where it changed nothing."""
        machine = self._machine(name)
        staged = self._store.stage()
        layer = None
        try:
            self._store.copy_upper(machine.upper, staged)
            # Read from the copy: what a process writes meanwhile must not make the two differ.
            changes = changes_of(staged.tree, machine.layers, Ids())
            if self._machines.get(name) is not machine:
                raise _closed(name)
            if changes:
                layer = self._store.commit(staged, changes, self._layers[name])
        finally:
            if layer is None:
                self._store.discard(staged)
        return {"layer": layer, "changes": to_json(changes)}, []

    def base(self, identity: str, archives: list[list[str]], folders: list[str], files: list[int]) -> Answer:
        """Store a base, unpacked from archives: [name, folder inside] each, with a descriptor in `files`.

        `folders` are made, for what is mounted over them, where no archive holds them.
        """
        staged = self._store.stage()
        try:
            staged.tree.chmod(0o755)
            for (name, at), file in zip(archives, files, strict=True):
                inside.unpack(file, str(staged.tree), at, name=name, ids=self._ids)
            for folder in folders:
                inside.make_folder(str(staged.tree), folder)
            layer = self._store.commit(staged, {}, (), identity=identity)
        except BaseException:
            self._store.discard(staged)
            raise
        return {"layer": layer}, []


def _closed(name: str) -> WorldFailed:
    """By another thread: some of its files may be gone already."""
    return WorldFailed(f"sandbox {name}: closed while it was in use", hint="open the snapshot again")


def _pipe(theirs: ExitStack, back: list[int], uid: int, gid: int, *, writes: bool = False) -> int:
    """A pipe whose one end goes to the sandbox, whose user may open it again by name, and the other to the server."""
    read, write = os.pipe()
    their, our = (read, write) if writes else (write, read)
    back.append(our)
    theirs.callback(os.close, their)
    os.fchown(their, uid, gid)
    return their


def _standard(theirs: ExitStack, back: list[int], uid: int, gid: int) -> tuple[int, int, int]:
    null = os.open("/dev/null", os.O_RDONLY)
    theirs.callback(os.close, null)
    return null, _pipe(theirs, back, uid, gid), _pipe(theirs, back, uid, gid)


def _terminal(theirs: ExitStack, back: list[int], uid: int, gid: int) -> tuple[int, int, int]:
    master, slave = os.openpty()
    back.append(master)
    theirs.callback(os.close, slave)
    os.fchown(slave, uid, gid)
    return slave, slave, slave


def _overlay_in_memory() -> bool:
    """Whether an overlay's upper may lie on a tmpfs here (Linux 6.6 and later)."""
    folder = tempfile.mkdtemp(dir=MOUNTS)
    try:
        for name in ("upper", "work", "lower", "root"):
            os.mkdir(f"{folder}/{name}")
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work,userxattr"
        os.setxattr(f"{folder}/upper", "user.overlay.opaque", b"n")
        syscalls.mount("sandbox", f"{folder}/root", "overlay", 0, options)
        syscalls.unmount(f"{folder}/root")
    except OSError:
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _heed_signals() -> None:
    """Undo, for what is started from here, that a server in the background ignores the keys of its terminal.

    A bash cannot trap or heed a signal that was ignored when it was started. A handler, not the default: it ends at
    `exec`, and this process goes on.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python's own, which it gives back
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main() -> None:
    """Start: split off the guardian, enter the namespaces, serve the first connection."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--connection", type=int, required=True)
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--first-id", type=int, required=True)
    parser.add_argument("--bubblewrap", required=True)
    parser.add_argument("--on-disk", action="store_true")
    given = parser.parse_args()
    _heed_signals()
    connection = socket.socket(fileno=given.connection)
    syscalls.own_keyring()
    ids = guardian.id_range(given.first_id)
    line, groups = guardian.enter(ids, given.server)
    syscalls.mount("none", "/", None, syscalls.MS_SLAVE | syscalls.MS_REC)
    syscalls.mount("sandboxes", MOUNTS, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    os.umask(0o022)
    wire.many_files()
    empty = f"{MOUNTS}/empty"
    os.mkdir(empty, 0o755)
    means = Means(
        given.bubblewrap, empty, Stock(ids.count), Guardian(line, groups), not given.on_disk and _overlay_in_memory()
    )
    with suppress(OSError):
        Warden(means, ids.count).serve(connection)
    os._exit(0)


if __name__ == "__main__":
    main()
