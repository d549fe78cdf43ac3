"""What processes of this machine hold: memory, handles, threads, children, mounts.

Owns: reading it from `/proc`. Does not own: what is too much of it for whom (`conformance.limits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")
GROWTH = {"kib": 16 * 1024, "handles": 16, "threads": 16, "children": 4, "mounts": 4}
"""By how much each figure may grow without being called a leak: what a server fills once, and noise."""


@dataclass(frozen=True)
class Held:
    """Figures of some processes and all their children.

    Attributes:
        kib: Resident memory of the processes themselves, KiB.
        handles: Their open files, sockets and pipes.
        threads: Their threads.
        children: Their children, and those of them.
        mounts: Mounts that they see.
    """

    kib: int
    handles: int
    threads: int
    children: int
    mounts: int

    def over(self, before: Held) -> list[str]:
        """Names of the figures that grew by more than they may."""
        was, now = asdict(before), asdict(self)
        return [name for name, most in GROWTH.items() if now[name] - was[name] > most]


def held(pids: Sequence[int]) -> Held | None:
    """What some processes hold now; `None` where it cannot be read, or there are none."""
    folders = [PROC / str(pid) for pid in pids]
    if not folders or not all((folder / "fd").is_dir() for folder in folders):
        return None
    with suppress(OSError):
        return Held(
            kib=sum(_status(folder, "VmRSS") for folder in folders),
            handles=sum(len(list((folder / "fd").iterdir())) for folder in folders),
            threads=sum(_status(folder, "Threads") for folder in folders),
            children=sum(1 for folder in folders for _ in _children(folder)),
            mounts=sum(len((folder / "mounts").read_text().splitlines()) for folder in folders),
        )
    return None


def _status(folder: Path, name: str) -> int:
    """A figure of `/proc/PID/status`."""
    lines = (folder / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _children(folder: Path) -> Iterator[int]:
    """Processes that the threads of a process began, and theirs."""
    for pid in _begun_by(folder.glob("task/*/children")):
        yield pid
        yield from _children(PROC / str(pid))


def _begun_by(lists: Iterable[Path]) -> Iterator[int]:
    for path in lists:
        with suppress(OSError):
            yield from map(int, path.read_text().split())
