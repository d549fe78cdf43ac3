"""What a final state pays: the released tests on a fresh machine, with the agent's own source files and nothing else.

Owns: which of an agent's files count, the tests that must pass, the outcome. Does not own: running (`running`), what
held-out inputs are (`heldout`).

The agent's machine is only read. Its changed source files are put on a machine made of the released package, so that
other tests, settings of pytest, start files of Python, replaced programs and what runs in the background count for
nothing. Code under test runs in the same process as the tests, as everywhere: that it bends the tools is found by tests
whose results are known and by comparing the tools' functions; code that goes on to search the interpreter's memory for
results is beyond this. Where all tests pass, the failing ones are run once more with held-out inputs: a solution that
knows the tests by heart, or whose values claim to equal everything, does there what the broken package did, or nothing
that the released one does.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.core.errors import PivotRefused, VerifierFailed
from pivotgym.core.jsonl import atomic
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.sandbox.contract import Backend, Changes, Sandbox
from pivotgym.envs.swe import python_tools
from pivotgym.envs.swe.tasks import heldout, running
from pivotgym.envs.swe.tasks.packages import Package

MOST_FILES = 500
"""Changed source files of one solution."""
_locks: dict[str, Lock] = {}
_found: dict[str, Any] = {}
"""What `_kept` keeps, by key."""


@dataclass(frozen=True)
class Outcome:
    """What the tests said.

    Attributes:
        reward: 1.0 if every test that must pass does, else 0.0.
        reason: One sentence.
    """

    reward: float
    reason: str


def judge(
    package: Package, start: Mapping[str, bytes], must_pass: frozenset[str], left: Sandbox, backend: Backend
) -> Outcome:
    """Judge what an agent has left.

    Args:
        package: The released package.
        start: Its files as the agent found them, where they are others than the released ones.
        must_pass: Tests that fail at the start.
        left: The agent's sandbox, with the package at `running.ROOT`.
        backend: Its backend.

    Raises:
        VerifierFailed: If the tests that must pass don't in the released package, here and now.
        WorldFailed: If a sandbox breaks.
    """
    steady = steady_tests(package, backend)
    if not must_pass <= steady:
        some = sorted(must_pass - steady)[0]
        raise VerifierFailed(f"{package.name}: the test {some!r} does not pass in the released package on this machine")
    try:
        changed = dict(start) | solution(package, backend.changes_since_base(left.save()), left)
    except PivotRefused:
        return Outcome(0.0, "a program still has the terminal")
    if len(changed) > MOST_FILES:
        return Outcome(0.0, f"{len(changed)} source files were changed, at most {MOST_FILES} count")
    machine, suite = running.machine(backend, package.tree()), running.Suite(package.tests, package.path)
    results = running.run(backend, machine, suite, changed)
    if results.late and running.run(backend, machine, suite, {}).late:
        raise VerifierFailed(f"{package.name}: its own suite takes over {running.LIMIT_S:g} s here at the moment")
    if results.broken:
        return Outcome(0.0, results.broken)
    found = counted(results, must_pass, steady - must_pass)
    if found.reward == 0.0 or not must_pass:
        return found
    return _generally(package, start, must_pass, changed, backend) or found


def counted(results: running.Results, must_pass: frozenset[str], still_pass: frozenset[str]) -> Outcome:
    """The outcome of a run: all of the tests of both sorts must have passed."""
    passed = results.passed()
    lacking = sorted(must_pass - passed) or sorted(still_pass - passed)
    if lacking:
        return Outcome(0.0, f"{lacking[0]}: {results.tests.get(lacking[0], 'did not run')}")
    return Outcome(1.0, f"{len(must_pass) + len(still_pass)} tests passed")


def solution(package: Package, changes: Changes, left: Sandbox) -> dict[str, bytes | None]:
    """The source files that an agent changed, by path below the package's folder; `None` for one it removed.

    Args:
        package: Says what its source is.
        changes: All that the agent changed.
        left: Its sandbox.
    """
    found: dict[str, bytes | None] = {}
    for path, change in changes.items():
        inner = posixpath.relpath(path, running.ROOT)
        kinds = {entry.kind for entry in (change.before, change.after) if entry is not None}
        if package.is_source(inner) and "__pycache__" not in inner and kinds & {"file", "link"}:
            found[inner] = None if change.after is None else left.read(path)
    return found


def _generally(
    package: Package,
    start: Mapping[str, bytes],
    must_pass: frozenset[str],
    changed: Mapping[str, bytes | None],
    backend: Backend,
) -> Outcome | None:
    """The outcome of files that do not mend held-out inputs; `None` where they do. Errors as for `judge`."""
    copies = heldout.copies(package.tree(), must_pass, package.sdist.sha256)
    due = expected(package, start, must_pass, backend)
    if not due.same and not due.other:
        return None
    results = _told(package, copies, changed, backend)
    if results.late and _told(package, copies, {}, backend).late:
        raise VerifierFailed(f"{package.name}: held-out inputs take over {running.LIMIT_S:g} s here at the moment")
    if results.broken:
        return Outcome(0.0, f"with held-out inputs: {results.broken}")
    if not due.met(results.described):
        return Outcome(
            0.0, "with other inputs than those of the tests, the package does not do what the released one does"
        )
    return None


def expected(
    package: Package, start: Mapping[str, bytes], must_pass: frozenset[str], backend: Backend
) -> heldout.Expected:
    """What a mended package does with held-out inputs, and the broken one does not; kept in the cache.

    Args:
        package: The released package.
        start: The files that break it.
        must_pass: Tests that fail then.
        backend: Where it runs.

    Raises:
        WorldFailed: If a sandbox breaks.
    """
    copies = heldout.copies(package.tree(), must_pass, package.sdist.sha256)

    def found() -> dict[str, dict[str, str]]:
        first, second, broken = (_told(package, copies, files, backend).described for files in ({}, {}, start))
        return vars(heldout.expected((first, second), broken))

    files = {path: content.hex() for path, content in {**copies.files, **start}.items()}
    return heldout.Expected(**_kept(package, backend, found, ["inside", "telling"], files))


def _told(
    package: Package, copies: heldout.Copies, changed: Mapping[str, bytes | None], backend: Backend
) -> running.Results:
    suite = running.Suite(copies.tests, package.path)
    machine = running.machine(backend, package.tree())
    return running.run(backend, machine, suite, {**changed, **copies.files}, describe="telling", tries=1)


def steady_tests(package: Package, backend: Backend) -> frozenset[str]:
    """Tests that pass in the released package on this machine, each time; kept in the cache.

    Raises:
        VerifierFailed: If its suite cannot be run here.
    """

    def found() -> list[str]:
        machine, suite = running.machine(backend, package.tree()), running.Suite(package.tests, package.path)
        runs = [running.run(backend, machine, suite, {}) for _ in range(2)]
        for results in runs:
            if results.broken or not results.passed():
                raise VerifierFailed(
                    f"{package.name}: its suite does not run here: {results.broken or 'no test passes'}",
                    details={"output": results.output[-1000:]},
                )
        return sorted(runs[0].passed() & runs[1].passed())

    return frozenset(_kept(package, backend, found, ["inside"]))


def _kept(
    package: Package, backend: Backend, make: Callable[[], Any], scripts: Sequence[str], more: object = None
) -> Any:
    """What was once found on this machine, as JSON; found anew where a script, `more` or the machine is another."""
    texts = [resources.files(__package__).joinpath(f"{name}.py").read_text(encoding="utf-8") for name in scripts]
    key = digest([package.name, package.sdist.sha256, python_tools.identity(), *texts, backend.name, more])
    with _locks.setdefault(key, Lock()):
        if key not in _found:
            _found[key] = _read_or_made(cache_dir() / "suites" / f"{package.name}-{key[:16]}.json", make)
        return _found[key]


def _read_or_made(place: Path, make: Callable[[], Any]) -> Any:
    if place.is_file():
        return json.loads(place.read_text(encoding="utf-8"))
    found = make()
    with atomic(place) as file:
        file.write(json.dumps(found).encode())
    return found
