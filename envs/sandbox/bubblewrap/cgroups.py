"""Control groups of sandboxes: memory and process limits over all of a sandbox's processes, version 1 or 2.

Owns: where they are made, their limits, how many processes the kernel killed for memory, taking them away. Does not
own: limits on single processes (`machine`). Used by the guardian, which alone keeps the rights of whoever started us.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_PREFIX = "pivotgym-"
_WANTED = ("memory", "pids")


class Cgroups:
    """The groups of one warden, each below one folder of ours per controller.

    Args:
        parents: For each of `memory` and `pids` the folder under which ours is made (the same one in version 2).
        unified: Whether that is version 2.
    """

    def __init__(self, parents: dict[str, Path], *, unified: bool) -> None:
        self._unified = unified
        self._folders = {name: folder / f"{_PREFIX}{os.getpid()}" for name, folder in parents.items()}
        self._leaving: list[Path] = []
        for folder in set(parents.values()):
            _remove_stale(folder)
        for folder in set(self._folders.values()):
            folder.mkdir()
        if unified:
            for folder in {parents["memory"], self._folders["memory"]}:
                (folder / "cgroup.subtree_control").write_text("+memory +pids")

    def make(self, name: str, *, memory: int, processes: int) -> str:
        """Make the groups of a sandbox.

        Args:
            name: The sandbox.
            memory: Bytes, of processes and of what they write to memory-backed file systems.
            processes: Processes and threads.

        Returns:
            The file whose line `oom_kill N` counts the processes killed for memory.
        """
        self._sweep()
        for folder in self._of(name):
            folder.mkdir()
        in_memory, in_pids = self._folders["memory"] / name, self._folders["pids"] / name
        (in_pids / "pids.max").write_text(str(processes))
        (in_memory / ("memory.max" if self._unified else "memory.limit_in_bytes")).write_text(str(memory))
        swap = in_memory / ("memory.swap.max" if self._unified else "memory.memsw.limit_in_bytes")
        with suppress(OSError):  # A kernel that does not account for swap has no such file.
            swap.write_text("0" if self._unified else str(memory))
        return str(in_memory / ("memory.events" if self._unified else "memory.oom_control"))

    def add(self, name: str, pid: int) -> None:
        """Put a process, and with it all that it will start, into the groups of a sandbox."""
        for folder in self._of(name):
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self, name: str) -> None:
        """Take a sandbox's groups away; one whose last process is still ending goes a little later."""
        self._leaving += self._of(name)
        self._sweep()

    def close(self) -> None:
        """Take everything away, waiting up to two seconds for processes that are still ending."""
        for folder in set(self._folders.values()):
            self._leaving += [child for child in folder.iterdir() if child.is_dir()]
        for _ in range(200):
            self._sweep()
            if not self._leaving:
                break
            time.sleep(0.01)
        for folder in set(self._folders.values()):
            with suppress(OSError):
                folder.rmdir()

    def _of(self, name: str) -> list[Path]:
        return sorted({folder / name for folder in self._folders.values()})

    def _sweep(self) -> None:
        self._leaving = [folder for folder in self._leaving if not _removed(folder)]


def find() -> Cgroups | None:
    """The groups that can be used here, or `None`: no controllers, or no right to make groups."""
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    mounts = _mounts()
    for unified in (True, False):
        parents = _unified(mounts) if unified else _separate(mounts, own)
        if parents:
            try:
                return Cgroups(parents, unified=unified)
            except OSError:
                continue
    return None


def _unified(mounts: dict[str, Path]) -> dict[str, Path]:
    root = mounts.get("cgroup2")
    if root is None or not set(_WANTED) <= set((root / "cgroup.controllers").read_text().split()):
        return {}
    return dict.fromkeys(_WANTED, root)


def _separate(mounts: dict[str, Path], own: dict[str, str]) -> dict[str, Path]:
    """Below the groups that we are in ourselves, so that limits set on us hold for the sandboxes too."""
    if not set(_WANTED) <= set(mounts):
        return {}
    below = {name: mounts[name] / own.get(name, "/").lstrip("/") for name in _WANTED}
    return {name: folder if folder.is_dir() else mounts[name] for name, folder in below.items()}


def _mounts() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, kind = line.partition(" - ")
        fields = kind.split()
        if fields[0] == "cgroup2":
            found["cgroup2"] = Path(place.split()[4])
        elif fields[0] == "cgroup":
            found |= {name: Path(place.split()[4]) for name in fields[2].split(",") if name in _WANTED}
    return found


def _remove_stale(parent: Path) -> None:
    """Remove what wardens that were killed have left."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{folder.name.removeprefix(_PREFIX)}").exists():
            for child in [*(entry for entry in folder.iterdir() if entry.is_dir()), folder]:
                _removed(child)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
