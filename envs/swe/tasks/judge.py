"""What a final state pays: the released tests on a fresh machine, with the agent's own source files and nothing else.

Owns: which of an agent's files count, the tests that must pass, the outcome. Does not own: running (`running`).

The agent's machine is only read. Its changed source files are put on a machine made of the released package, so that
other tests, settings of pytest, start files of Python, replaced programs and what runs in the background count for
nothing. Code under test runs in the same process as the tests, as everywhere: that it bends the tools is found by tests
whose results are known and by comparing the tools' functions; code that goes on to search the interpreter's memory for
results is beyond this.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from threading import Lock

from pivotgym.core.canonical import digest
from pivotgym.core.errors import PivotRefused, VerifierFailed
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.sandbox.contract import Backend, Changes, Sandbox
from pivotgym.envs.swe import python_tools
from pivotgym.envs.swe.tasks import running
from pivotgym.envs.swe.tasks.packages import Package

MOST_FILES = 500
"""Changed source files of one solution."""
_lock = Lock()
_steady: dict[str, frozenset[str]] = {}


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
    return counted(results, must_pass, steady - must_pass)


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


def steady_tests(package: Package, backend: Backend) -> frozenset[str]:
    """Tests that pass in the released package on this machine, each time; kept in the cache.

    Raises:
        VerifierFailed: If its suite cannot be run here.
    """
    script = resources.files(__package__).joinpath("inside.py").read_text(encoding="utf-8")
    key = digest([package.name, package.sdist.sha256, python_tools.identity(), script, backend.name])
    with _lock:
        if key not in _steady:
            _steady[key] = _kept(package, backend, key)
        return _steady[key]


def _kept(package: Package, backend: Backend, key: str) -> frozenset[str]:
    place = cache_dir() / "suites" / f"{package.name}-{key[:16]}.json"
    if place.is_file():
        return frozenset(json.loads(place.read_text(encoding="utf-8")))
    machine, suite = running.machine(backend, package.tree()), running.Suite(package.tests, package.path)
    runs = [running.run(backend, machine, suite, {}) for _ in range(2)]
    for results in runs:
        if results.broken or not results.passed():
            raise VerifierFailed(
                f"{package.name}: its suite does not run here: {results.broken or 'no test passes'}",
                details={"output": results.output[-1000:]},
            )
    found = runs[0].passed() & runs[1].passed()
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = place.with_suffix(f".{key[16:32]}.part")
    scratch.write_text(json.dumps(sorted(found)), encoding="utf-8")
    scratch.replace(place)
    return found
