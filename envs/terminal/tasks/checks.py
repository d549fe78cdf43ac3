"""Checks: what must hold on a machine when a task is done, as data that evaluates itself.

Owns: the kinds of checks. Does not own: on which machine they run (`judge`: fresh ones), or what they are
combined to.

A probe (a tool of the machine that reads something) which does not come to its end is our failure and raises. A program
of the policy's that fails, hangs or floods is the policy's, and the check does not hold.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any, ClassVar

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.sandbox.contract import Sandbox

PROBE_S = 20.0
"""Seconds a probe may take."""


@dataclass(frozen=True)
class Check(ABC):
    """One condition.

    Attributes:
        name: Its name among the outcome's components.
    """

    reads_only: ClassVar[bool] = True
    """Whether it leaves the machine as it is; others need one of their own."""
    name: str

    @abstractmethod
    def holds(self, sandbox: Sandbox) -> bool:
        """Whether it holds on a machine.

        Raises:
            WorldFailed: If that cannot be found out.
        """


@dataclass(frozen=True)
class TextIs(Check):
    """A file has this text; blanks at the ends of lines and of the file do not count.

    Attributes:
        path: Absolute.
        text: The text.
        any_order: Whether the order of the lines does not count either.
        exact: Whether every byte counts.
    """

    path: str
    text: str
    any_order: bool = False
    exact: bool = False

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        content = sandbox.read(self.path)
        if content is None:
            return False
        if self.exact:
            return content == self.text.encode()
        found, due = _lines(content.decode("utf-8", "surrogateescape")), _lines(self.text)
        return sorted(found) == sorted(due) if self.any_order else found == due


@dataclass(frozen=True)
class BytesAre(Check):
    """A file has exactly this content."""

    path: str
    content: bytes

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        return sandbox.read(self.path) == self.content


@dataclass(frozen=True)
class JsonIs(Check):
    """A file holds this JSON value, numbers within `tolerance`, in any layout."""

    path: str
    value: Any
    tolerance: float = 1e-6

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        content = sandbox.read(self.path)
        try:
            found = json.loads(content or b"")
        except (ValueError, RecursionError):
            return False
        return _same(found, self.value, self.tolerance)


@dataclass(frozen=True)
class Matches(Check):
    """A file's text matches a regular expression somewhere, or nowhere with `absent`."""

    path: str
    pattern: str
    absent: bool = False

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        content = sandbox.read(self.path)
        if content is None:
            return False
        return (re.search(self.pattern, content.decode("utf-8", "surrogateescape"), re.M) is None) == self.absent


@dataclass(frozen=True)
class ModesAre(Check):
    """Paths have these permission bits."""

    modes: Mapping[str, int]

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        found = _probe(sandbox, f"stat -c '%a %n' -- {' '.join(map(quote, self.modes))} 2>/dev/null")
        return sorted(found.splitlines()) == sorted(f"{mode:o} {path}" for path, mode in self.modes.items())


@dataclass(frozen=True)
class LinksAre(Check):
    """Paths are symbolic links that lead to these absolute paths, whether they say so absolutely or relatively."""

    targets: Mapping[str, str]

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        return all(self._leads(sandbox, path, target) for path, target in self.targets.items())

    def _leads(self, sandbox: Sandbox, path: str, target: str) -> bool:
        place = quote(path)
        return _probe(sandbox, f"test -L {place} && realpath -m -- {place} || true").strip() == target


@dataclass(frozen=True)
class Gone(Check):
    """Nothing is at these paths, not even a link that leads nowhere."""

    paths: tuple[str, ...]

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        tests = "; ".join(
            f"if test -e {quote(path)} || test -L {quote(path)}; then echo there; fi" for path in self.paths
        )
        return not _probe(sandbox, tests)


@dataclass(frozen=True)
class TreeIs(Check):
    """A folder holds exactly these files, with these contents. Folders inside it do not count.

    Attributes:
        root: Absolute.
        files: Content by path below `root`; `None` for a file whose content does not count.
    """

    root: str
    files: Mapping[str, str | bytes | None]

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        listing = _probe(
            sandbox, f"find {quote(self.root)} -mindepth 1 ! -type d -printf '%y %P\\0' 2>/dev/null || true"
        )
        found = [entry for entry in listing.split("\0") if entry]
        if sorted(found) != sorted(f"f {path}" for path in self.files):
            return False
        return all(self._has(sandbox, path, content) for path, content in self.files.items() if content is not None)

    def _has(self, sandbox: Sandbox, path: str, content: str | bytes) -> bool:
        due = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
        return sandbox.read(f"{self.root}/{path}") == due


@dataclass(frozen=True)
class Prints(Check):
    """A command, run in a clean shell, prints this. It may run what the policy wrote, on files it has not seen.

    Attributes:
        command: Bash.
        stdout: What it prints; compared as in `TextIs`.
        exit: Its exit status; `None` if that does not count.
        files: Written before, content by absolute path.
        any_order: Whether the order of the lines does not count.
        timeout_s: Seconds after which it is ended, and does not hold.
    """

    reads_only: ClassVar[bool] = False
    command: str
    stdout: str
    exit: int | None = 0
    files: Mapping[str, str] = field(default_factory=dict)
    any_order: bool = False
    timeout_s: float = 20.0

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        for path, content in self.files.items():
            sandbox.write(path, content.encode())
        ran = sandbox.run(self.command, timeout_s=self.timeout_s)
        if ran.ended is not None or (self.exit is not None and ran.exit != self.exit):
            return False
        found, due = _lines(ran.stdout.decode("utf-8", "surrogateescape")), _lines(self.stdout)
        return sorted(found) == sorted(due) if self.any_order else found == due


def _probe(sandbox: Sandbox, command: str) -> str:
    ran = sandbox.run(command, timeout_s=PROBE_S)
    if ran.ended is not None:
        raise WorldFailed(f"check: the probe {command!r:.200} was ended by the limit {ran.ended!r}")
    return ran.stdout.decode("utf-8", "surrogateescape")


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _same(found: Any, due: Any, tolerance: float) -> bool:
    if isinstance(found, bool) or isinstance(due, bool):
        return found is due
    if isinstance(due, int | float):
        return isinstance(found, int | float) and math.isclose(found, due, rel_tol=0, abs_tol=tolerance)
    if isinstance(due, dict):
        return (
            isinstance(found, dict)
            and found.keys() == due.keys()
            and all(_same(found[key], value, tolerance) for key, value in due.items())
        )
    if isinstance(due, list):
        return (
            isinstance(found, list)
            and len(found) == len(due)
            and all(_same(one, other, tolerance) for one, other in zip(found, due, strict=True))
        )
    return bool(found == due)
