"""Checks, what they find, and the report.

Owns: these shapes, and how a check says that it found a fault or could not be made. Does not own: any check, or
printing (`cli/check`).

A check is a function of a `Subject`. It returns what it looked at ("12 pivots"), raises `Broken` with what it found, or
`NotMade` with the reason why it could not look. An error of the server that the check did not ask for is a finding too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pivotgym.core.errors import PivotGymError

if TYPE_CHECKING:
    from pivotgym.servers.conformance.subject import Subject

T = TypeVar("T")
Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        where: The pivot, task or call.
        expected: What had to be so.
        got: What was so.
        look_at: Where the fault is likely to be mended.
    """

    where: str
    expected: str
    got: str
    look_at: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got}; look at {self.look_at}"


class Broken(Exception):
    """A check found faults."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings


class NotMade(Exception):
    """A check cannot be made here; the text says why."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        demands: One sentence: what must hold.
        look_at: Where an error that it meets is likely to be mended.
        run: The function.
    """

    demands: str
    look_at: str
    run: Callable[[Subject], str]

    @property
    def name(self) -> str:
        """The function's name."""
        return self.run.__name__


@dataclass(frozen=True)
class Result:
    """What became of a check.

    Attributes:
        check: The check.
        status: `passed`, `failed` or `skipped`.
        note: What was looked at, or why nothing was.
        findings: The faults.
        seconds: Wall time.
    """

    check: Check
    status: Status
    note: str
    findings: tuple[Finding, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """JSON form: `name`, `demands`, `status`, `note`, `findings`, `seconds`."""
        return {
            "name": self.check.name,
            "demands": self.check.demands,
            "status": self.status,
            "note": self.note,
            "findings": [vars(finding) for finding in self.findings],
            "seconds": round(self.seconds, 3),
        }


def check(demands: str, look_at: str) -> Callable[[Callable[[Subject], str]], Check]:
    """Makes a function a check. Arguments as the attributes of `Check`."""
    return lambda run: Check(demands, look_at, run)


def made(check: Check, subject: Subject) -> Result:
    """Make a check."""
    began = time.perf_counter()
    status: Status = "passed"
    findings: tuple[Finding, ...] = ()
    try:
        note = check.run(subject)
    except NotMade as reason:
        status, note = "skipped", str(reason)
    except Broken as broken:
        status, findings = "failed", broken.findings
        note = counted(len(findings), "fault")
    except PivotGymError as error:
        status, findings = "failed", (unasked(check.name, error, check.look_at),)
        note = f"{error.code}: {error}"
    return Result(check, status, note, findings, time.perf_counter() - began)


def unasked(where: str, error: PivotGymError, look_at: str) -> Finding:
    """The finding that an error is where none had to come."""
    return Finding(where, "an answer", f"the error {error.code!r}: {error}", look_at)


def each(items: Iterable[T], looked: Callable[[T], None], what: str, look_at: str, where: Callable[[T], str]) -> str:
    """Look at each of some items, all of them also after a fault; how many there were, as a note.

    Args:
        items: What is looked at.
        looked: Raises `Broken`, or the server's error, at a fault.
        what: What an item is.
        look_at: As for `Check`.
        where: What an item is called.

    Raises:
        Broken: With the faults of all items.
        NotMade: If there are no items.
    """
    count, findings = 0, list[Finding]()
    for item in items:
        count += 1
        try:
            looked(item)
        except Broken as broken:
            findings += broken.findings
        except PivotGymError as error:
            findings.append(unasked(where(item), error, look_at))
    if findings:
        raise Broken(*findings)
    if not count:
        raise NotMade(f"there is no {what} to look at")
    return counted(count, what)


def counted(count: int, what: str) -> str:
    """A number of things: `1 pivot`, `2 pivots`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
