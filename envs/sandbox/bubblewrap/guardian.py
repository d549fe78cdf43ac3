"""The process beside the warden that keeps the starter's rights: writes id maps, makes control groups, cleans up.

Owns: entering the user namespace in which everything else happens, control groups, and the end: when the server that
started us dies, by whatever signal, the warden is killed and its groups are removed. Its mounts and processes need no
cleaning, they end with the warden. Does not own: sandboxes (`machine`), requests of the server (`warden`).
"""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pivotgym.envs.sandbox.bubblewrap import cgroups, syscalls, wire

FULL_RANGE = 65536


@dataclass(frozen=True)
class Range:
    """Which ids outside stand for 0, 1, ... inside.

    Attributes:
        first: The id outside of the one that is 0 inside; with `newuidmap` of the one that is 1, our own being 0.
        count: How many ids there are inside.
        how: Who may write the map: `root`, `newuidmap`, or `self` for a map of one's own id only.
    """

    first: int
    count: int
    how: str


def id_range(root_first: int) -> Range:
    """The range for whoever runs this.

    Args:
        root_first: Where the range begins when that is root; never within the ids of real users.
    """
    if os.geteuid() == 0:
        return Range(root_first, FULL_RANGE, "root")
    ranges = [_subordinate(Path(file)) for file in ("/etc/subuid", "/etc/subgid")]
    if shutil.which("newuidmap") and shutil.which("newgidmap") and ranges[0] and ranges[0] == ranges[1]:
        return Range(ranges[0], FULL_RANGE, "newuidmap")
    return Range(os.geteuid(), 1, "self")


def _subordinate(file: Path) -> int | None:
    """The start of a range of full size that `file` gives to this user."""
    with suppress(KeyError, OSError):
        names = {pwd.getpwuid(os.geteuid()).pw_name, str(os.geteuid())}
        for line in file.read_text().splitlines():
            name, first, count = line.split(":")
            if name in names and int(count) >= FULL_RANGE:
                return int(first)
    return None


def map_ids(pid: int, ids: Range) -> None:
    """Write the id maps of a process that has just entered a user namespace of its own."""
    if ids.how == "newuidmap":
        # Our own id is 0 inside, so that what we own, the store above all, belongs to root in there.
        for program, own in (("newuidmap", os.geteuid()), ("newgidmap", os.getegid())):
            numbers = [0, own, 1, 1, ids.first, ids.count - 1]
            subprocess.run([program, str(pid), *map(str, numbers)], check=True, capture_output=True)
        return
    group = ids.first if ids.how == "root" else os.getegid()
    if ids.how == "self":
        Path(f"/proc/{pid}/setgroups").write_text("deny")
    Path(f"/proc/{pid}/uid_map").write_text(f"0 {ids.first} {ids.count}")
    Path(f"/proc/{pid}/gid_map").write_text(f"0 {group} {ids.count}")


def enter(ids: Range, server: int) -> tuple[socket.socket, bool]:
    """Split this process in two: the guardian, for which this does not return, and the warden, for which it does.

    Args:
        ids: The warden's ids.
        server: The process with which all ends.

    Returns:
        In the warden, now root of its own user and mount namespaces: the line to the guardian, and whether there are
        control groups.
    """
    ours, theirs = socket.socketpair()
    warden = os.fork()
    if warden:
        only(theirs.fileno())
        _guard(warden, ids, theirs, server)
    theirs.close()
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    wire.send(ours, {"do": "map"})
    answer = wire.receive(ours)
    if answer is None:
        os._exit(1)
    if ids.count > 1:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    syscalls.readable_by_owner(True)
    # A change of user forgets this, so it is the last step.
    syscalls.die_with_parent(signal.SIGKILL)
    return ours, answer[0]["groups"]


def only(*files: int) -> None:
    """Close every descriptor but the standard ones and these, so that others see the end of what they read."""
    for file in map(int, os.listdir("/proc/self/fd")):
        if file > 2 and file not in files:
            with suppress(OSError):
                os.close(file)


def _guard(warden: int, ids: Range, line: socket.socket, server: int) -> None:
    groups = cgroups.find()
    try:
        _serve(warden, ids, line, server, groups)
    finally:
        # Not waited for yet, so the number is its own still; it may be about to end by itself.
        os.kill(warden, signal.SIGKILL)
        os.waitpid(warden, 0)
        if groups:
            groups.close()
        os._exit(0)


def _serve(warden: int, ids: Range, line: socket.socket, server: int, groups: cgroups.Cgroups | None) -> None:
    """Answer the warden until it or the server ends."""
    server_ended = os.pidfd_open(server)
    while True:
        ready, _, _ = select.select([line.fileno(), server_ended], [], [])
        if server_ended in ready:
            return
        request = wire.receive(line)
        if request is None:
            return
        try:
            answer = _answer(request[0], warden, ids, groups)
        except (OSError, subprocess.CalledProcessError) as error:
            answer = {"error": str(error)}
        wire.send(line, answer)


def _answer(request: dict[str, Any], warden: int, ids: Range, groups: cgroups.Cgroups | None) -> dict[str, Any]:
    do = request.pop("do")
    if do == "map":
        map_ids(warden, ids)
        return {"groups": groups is not None}
    if groups is None:
        raise OSError("no control groups")
    if do == "make":
        return {"counts": groups.make(**request)}
    if do == "add":
        groups.add(**request)
    else:
        groups.remove(**request)
    return {}
