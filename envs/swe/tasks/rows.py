"""Rows of SWE-bench and its kin as tasks: read from the source `swe_bench`, judged by their own tests.

Owns: a row's form, its task, which of an agent's files count, its outcome. Does not own: running tests (`running`),
where a repository comes from (`envs.swe.origins`).

A row starts from the image that the source `images` has under the row's `instance_id` (with the environment of
SWE-bench's images at `IMAGE_PYTHON`), else from its repository at its commit with nothing installed but pytest. Its own
solution is run first: where that does not pass on this machine, the row is an error, and no agent's fault.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from pivotgym.core.errors import BadLine, NotFound, PivotRefused, VerifierFailed
from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Task
from pivotgym.envs.sandbox.contract import Backend, Change, Changes, Sandbox, Snapshot
from pivotgym.envs.swe.origins import resolve
from pivotgym.envs.swe.tasks import running
from pivotgym.envs.swe.tasks.judge import Outcome, counted
from pivotgym.envs.swe.tasks.packages import within
from pivotgym.envs.swe.tasks.shapes import ROOT, SHAPES
from pivotgym.envs.terminal.origins import images

SOURCE = "swe_bench"
"""Name of the source: a JSON Lines file of rows."""
FAMILY = "swe-bench"
IMAGE_PYTHON = "/opt/miniconda3/envs/testbed/bin"
LIMIT_S = 900.0
_SHAPE = SHAPES["mini_swe_agent"]
_SETTINGS = {"conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"}
_KEPT = re.compile(r"__pycache__|(site|user)customize(\.py)?|.*\.(pth|egg-info|dist-info|egg-link)")
_TOOLS = {"pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", *sys.stdlib_module_names}
_CHANGED = re.compile(r"^(?:\+\+\+ b/|--- a/|rename from |rename to |copy to )(.+?)(?:\t.*)?$", re.MULTILINE)
_TESTS = {"test", "tests"}
_locks: dict[Row, Lock] = {}
_proven: dict[Row, frozenset[str]] = {}
"""By row, the tests that its own solution leaves failing as they say they will."""


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        instance_id: Its name.
        repo: `owner/name`.
        base_commit: Where the work begins.
        problem_statement: What is asked.
        test_patch: A diff that brings the tests.
        fail_to_pass: Tests that must pass after the work; `pass_to_pass` those that must still.
        patch: The row's own solution; "" where it has none.
    """

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    test_patch: str
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    patch: str = ""

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of all tests that must pass."""
        return (*self.fail_to_pass, *self.pass_to_pass)

    @property
    def test_files(self) -> tuple[str, ...]:
        """The files that hold its tests, as the patch of the tests and their names say."""
        patched = [path for path in patched_files(self.test_patch) if path.endswith(".py")]
        named = [name.partition("::")[0] for name in self.tests if "::" in name]
        files = dict.fromkeys((*named, *patched))
        return tuple(path for path in files if posixpath.basename(path) not in _SETTINGS)

    @property
    def test_places(self) -> tuple[str, ...]:
        """Files and folders that belong to its tests."""
        folders = [file.split("/")[:-1] for file in self.test_files]
        tops = [parts[: index + 1] for parts in folders for index, part in enumerate(parts) if part in _TESTS]
        return (*self.test_files, *dict.fromkeys("/".join(parts) for parts in tops))


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a JSON Lines file.

    Raises:
        BadLine: At the first line that is none; names what it lacks.
    """
    seen: set[str] = set()
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                try:
                    row = _row(json.loads(line))
                    if row.instance_id in seen:
                        raise ValueError(f"instance_id: {row.instance_id!r} stands twice")
                    seen.add(row.instance_id)
                    yield row
                except (ValueError, TypeError, KeyError, RecursionError) as error:
                    reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                    raise BadLine(file.name, number, f"expected a row of SWE-bench: {reason}") from error


def tasks() -> Iterator[Task]:
    """The rows of the source as tasks; none where it is not configured. Errors as for `read_rows`."""
    return (task(row) for row in _rows().values())


def task(row: Row) -> Task:
    """A row as a task. Nothing of its tests or solution is in what a policy sees."""
    if row.instance_id in images():
        path = f"{IMAGE_PYTHON}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        origin = Origin(kind="image", image=row.instance_id, workdir=ROOT, harness=_SHAPE.harness, env={"PATH": path})
    else:
        origin = Origin(kind="git", repo=row.repo, commit=row.base_commit, workdir=ROOT, harness=_SHAPE.harness)
    apply = f"cd {ROOT} && git apply --whitespace=nowarn - <<'PIVOTGYM_PATCH'\n{row.patch.rstrip()}\n\nPIVOTGYM_PATCH"
    return Task(
        id=row.instance_id,
        origin=origin,
        messages=[
            Message(role="system", content=_SHAPE.system),
            Message(role="user", content=row.problem_statement),
        ],
        tools=list(_SHAPE.tools),
        gold=[_SHAPE.commands(apply)] if row.patch else [],
        max_steps=100,
        metadata={"family": FAMILY, "repo": row.repo, "harness": _SHAPE.harness},
    )


def outcome(task: Task, left: Sandbox, backend: Backend) -> float:
    """1.0 if all tests of the row pass with what an agent has left, else 0.0. Errors as for `judged`."""
    row = _rows().get(task.id)
    if row is None:
        raise NotFound(f"task: the source {SOURCE!r} has no row called {task.id!r}")
    return judged(row, task.origin, left, backend).reward


def judged(row: Row, origin: Origin, left: Sandbox, backend: Backend) -> Outcome:
    """What a row's tests say of a sandbox's present state, on a fresh machine.

    Args:
        row: The row.
        origin: Its task's.
        left: The agent's sandbox; it is only read.
        backend: Its backend.

    Raises:
        VerifierFailed: If the tests cannot be brought in, or the row's own solution does not pass here.
        WorldFailed: If a sandbox breaks.
    """
    with resolve(origin).base() as base:
        start = backend.base(base)
    python = f"{IMAGE_PYTHON}/python" if origin.kind == "image" else running.Suite.python
    suite = running.Suite(row.test_files, (".", "src", "lib"), (), python, LIMIT_S, row.test_patch)
    excused = _own_solution(row, start, suite, backend) if row.patch else frozenset()
    try:
        changed = work(row, backend.changes_since_base(left.save()), left)
    except PivotRefused:
        return Outcome(0.0, "a program still has the terminal")
    return _counted(row, running.run(backend, start, suite, changed), excused)


def _own_solution(row: Row, start: Snapshot, suite: running.Suite, backend: Backend) -> frozenset[str]:
    """The named tests that a row's own solution leaves as expected failures. Errors as for `judged`."""
    with _locks.setdefault(row, Lock()):
        if row not in _proven:
            results = running.run(backend, start, replace(suite, patch=f"{row.patch.rstrip()}\n{row.test_patch}"), {})
            expected = frozenset(name for name in row.tests if _status(name, results.tests) == "xfailed")
            if (found := _counted(row, results, expected)).reward == 0.0:
                raise VerifierFailed(
                    f"row {row.instance_id!r}: its own solution does not pass on this machine: {found.reason}",
                    hint="what its repository needs is in its image: name that in the source 'images'",
                )
            _proven[row] = expected
        return _proven[row]


def work(row: Row, changes: Changes, left: Sandbox) -> dict[str, bytes | None]:
    """The files of the repository that an agent changed and that count; `None` for one it removed.

    Not counted: what git and Python keep for themselves, files that the tests bring; unless the row's own solution
    changes them, whatever else belongs to the tests and their settings; new modules that would stand before Python's
    and the test tools' own, and what announces plugins.
    """
    theirs, own = set(patched_files(row.test_patch)), set(patched_files(row.patch))
    found: dict[str, bytes | None] = {}
    for path, change in changes.items():
        inner = posixpath.relpath(path, ROOT)
        kinds = {entry.kind for entry in (change.before, change.after) if entry is not None}
        if inner.startswith("../") or not kinds & {"file", "link"} or inner in theirs:
            continue
        if inner in own or (_counts(inner, change) and not within(inner, row.test_places)):
            found[inner] = None if change.after is None else left.read(path)
    return found


def patched_files(patch: str) -> list[str]:
    """The files that a diff changes, in its order."""
    return list(dict.fromkeys(_CHANGED.findall(patch)))


def _counts(inner: str, change: Change) -> bool:
    parts = inner.split("/")
    if parts[0] == ".git" or parts[-1] in _SETTINGS or any(map(_KEPT.fullmatch, parts)):
        return False
    top = parts[1] if parts[0] in ("src", "lib") and len(parts) > 1 else parts[0]
    return change.before is not None or top.removesuffix(".py") not in _TOOLS


def _counted(row: Row, results: running.Results, excused: frozenset[str]) -> Outcome:
    """The outcome of a run, where some tests may fail as they say they will."""
    if results.broken:
        return Outcome(0.0, results.broken)
    named = {name: _status(name, results.tests) for name in row.tests}
    named |= {name: "passed" for name in excused if named[name] in ("xfailed", "xpassed")}
    return counted(running.Results(named), frozenset(row.fail_to_pass), frozenset(row.pass_to_pass))


def _status(name: str, tests: Mapping[str, str]) -> str:
    """A test's status; rows cut names at the first space, so a name can stand for several tests: all must pass.

    A bare function's name, as rows of sympy have it, stands for the tests called so.
    """
    if name in tests:
        return tests[name]
    fits = [status for full, status in tests.items() if full.split(" ")[0] == name or full.rpartition("::")[2] == name]
    return "did not run" if not fits else next((status for status in fits if status != "passed"), "passed")


@lru_cache(maxsize=4)
def _read(file: Path, changed_ns: int) -> Mapping[str, Row]:
    return {row.instance_id: row for row in read_rows(file)}


def _rows() -> Mapping[str, Row]:
    file = sources.find(SOURCE)
    return {} if file is None else _read(file, file.stat().st_mtime_ns)


def _row(given: Any) -> Row:
    if not isinstance(given, dict):
        raise TypeError("it is no JSON object")
    texts = {}
    for name in ("instance_id", "repo", "base_commit", "problem_statement", "test_patch"):
        if not isinstance(given[name], str) or not given[name]:
            raise TypeError(f"{name}: expected a text, got {given[name]!r:.80}")
        texts[name] = given[name]
    failing, passing = (_names(name, given[name]) for name in ("FAIL_TO_PASS", "PASS_TO_PASS"))
    if not failing:
        raise ValueError("FAIL_TO_PASS: expected at least one test")
    patch = given.get("patch") or ""
    if not isinstance(patch, str):
        raise TypeError(f"patch: expected a text, got {patch!r:.80}")
    row = Row(**texts, fail_to_pass=failing, pass_to_pass=passing, patch=patch)
    if not row.test_files:
        raise ValueError("test_patch: expected a diff of a Python file, or tests named with their files")
    outside = next((path for path in row.test_files if path.startswith("/") or ".." in path.split("/")), None)
    if outside is not None:
        raise ValueError(f"test_patch: expected files within the repository, got {outside!r}")
    return row


def _names(field: str, value: Any) -> tuple[str, ...]:
    """Names of tests: a list, or the JSON of one."""
    names = json.loads(value) if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"{field}: expected a list of names of tests")
    foreign = next((name for name in names if re.search(r"\s\([\w.]+\)$", name)), None)
    if foreign is not None:
        raise ValueError(f"{field}: expected tests as pytest names them, got {foreign!r}: another runner's")
    return tuple(names)
