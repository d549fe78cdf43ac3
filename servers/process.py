"""A server in a process of its own, told its task on standard input, that ends when this process does.

Owns: this side of that (`child` is the other), for one server and for each of several workers. Does not own: serving.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pivotgym.core.errors import WorldFailed, from_wire
from pivotgym.core.jsonl import write_records
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.settings import Settings


class Files:
    """Pivots as files that another process can read; those given as objects are written to a folder of their own."""

    def __init__(self, pivots: Iterable[Path | Pivot]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="pivotgym-")
        given = list(pivots)
        known = [item for item in given if isinstance(item, Pivot)]
        self.paths = [str(Path(item).absolute()) for item in given if not isinstance(item, Pivot)]
        if known:
            self.paths.append(str(Path(self.folder.name) / "given.jsonl"))
            write_records(self.paths[-1], known)

    def close(self) -> None:
        """Remove what was written."""
        self.folder.cleanup()


class ServerProcess:
    """A child that serves.

    Args:
        domain: Name of a domain.
        paths: Files of pivots.
        settings: Address, limits, tokens.
        place: For a worker: its number, how many there are, their folder.
    """

    def __init__(self, domain: str, paths: list[str], settings: Settings, place: list[Any] | None = None) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pivotgym.servers.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._child.pid
        task = {"domain": domain, "pivots": paths, "settings": settings.model_dump(mode="json"), "place": place}
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; `listening` says how
            self._child.stdin.write(json.dumps(task).encode() + b"\n")
            self._child.stdin.flush()

    def listening(self) -> str:
        """Wait until it has bound its address, and return that.

        Raises:
            PivotGymError: What it failed with.
        """
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            self._child.wait()
            self.check()
        answer: dict[str, Any] = json.loads(line)
        if "url" not in answer:
            raise from_wire(answer)
        return str(answer["url"])

    def check(self) -> None:
        """Nothing while it lives.

        Raises:
            WorldFailed: If it has ended.
        """
        ended = self._child.poll()
        if ended is not None:
            raise WorldFailed(f"the server process ended with {ended} before it was ready; see its log")

    def wait(self) -> int:
        """Wait until it has ended, and return how."""
        return self._child.wait()

    def tell_to_end(self) -> None:
        """Tell it; it ends by itself."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def stop(self) -> None:
        """Stop it, and return once it is gone."""
        self.tell_to_end()
        try:
            self._child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
