"""A suite, run in a fresh machine that the agent never saw.

Owns: the machine (the package's tree with pytest, nothing else), the run, the canaries, what came of it. Does not own:
which of an agent's files are brought there, or what a result is worth (`judge`).
"""

from __future__ import annotations

import json
import posixpath
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, VerifierFailed
from pivotgym.envs.sandbox.contract import Backend, Base, Limits, Sandbox, ShellState, Snapshot
from pivotgym.envs.swe import python_tools

ROOT = "/testbed"
LIMIT_S = 60.0
"""Wall time of a suite; those of the packages take up to a few seconds."""
_OPTIONS = (
    "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
)  # fmt: skip
_CANARIES = """\
import unittest

import pytest


def test_holds():
    assert 1 + 1 == 2


def test_assertion():
    assert 1 + 1 == 3


def test_exception():
    raise ValueError


def test_no_exception():
    with pytest.raises(ValueError):
        pass


class TestMethods(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(1, 2)

    def test_true(self):
        self.assertTrue(False)

    def test_no_exception(self):
        with self.assertRaises(ValueError):
            pass
"""
"""Tests whose results are known: all but the first fail, unless someone has bent the tools."""
_CANARY_COUNT = 7


@dataclass(frozen=True)
class Suite:
    """What is run, and where.

    Attributes:
        tests: What pytest is given, relative to `ROOT`.
        path: Folders to import from, relative to `ROOT`.
        options: Further options of pytest.
        python: The interpreter, which has pytest.
        limit_s: Wall time.
        patch: A diff that is applied before, such as the tests' own.
    """

    tests: tuple[str, ...]
    path: tuple[str, ...] = (".",)
    options: tuple[str, ...] = ("-o", "addopts=")
    python: str = f"{python_tools.FOLDER}/bin/python"
    limit_s: float = LIMIT_S
    patch: str = ""


@dataclass(frozen=True)
class Results:
    """What came of a run.

    Attributes:
        tests: Status by test id: passed, failed, error, skipped, xfailed, xpassed.
        broken: Why the run says nothing about the tests, or "".
        late: Whether that is because it took too long.
        described: What was said of tests by id, where it was asked.
        output: The end of what was printed.
    """

    tests: Mapping[str, str]
    broken: str = ""
    late: bool = False
    described: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""

    def passed(self) -> frozenset[str]:
        """Ids of the tests that passed."""
        return frozenset(name for name, status in self.tests.items() if status == "passed")


def machine(backend: Backend, tree: Mapping[str, bytes]) -> Snapshot:
    """The snapshot of a machine that has pytest, and a tree at `ROOT`; built once.

    Raises:
        MissingDependency: If pytest is not to be had, or the backend cannot run here.
    """
    content = {path: digest(content.hex()) for path, content in tree.items()}
    identity = json.dumps({"suite": digest(content), "python": python_tools.identity()}, sort_keys=True)
    with _lazily(tree) as folder:
        return backend.base(Base(identity, folder=folder, shell=ShellState(cwd=ROOT)))


@contextmanager
def _lazily(tree: Mapping[str, bytes]) -> Iterator[Callable[[], Path]]:
    """What makes the folder of a machine, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="pivotgym-suite-") as place:

        def made() -> Path:
            top = Path(place) / "tree"
            top.mkdir()
            python_tools.install(top)
            for path, content in tree.items():
                file = top / ROOT.lstrip("/") / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            return top

        yield made


def run(
    backend: Backend,
    start: Snapshot,
    suite: Suite,
    changed: Mapping[str, bytes | None],
    *,
    describe: str = "",
    tries: int = 2,
) -> Results:
    """Run a suite on a fresh machine with some files changed.

    Args:
        backend: What made `start`.
        start: From `machine`, or another one with pytest.
        suite: What to run.
        changed: New contents by path relative to `ROOT`; `None` to remove.
        describe: The module that describes tests, `explaining` or `telling`; "" for none.
        tries: How often a run is tried that takes too long.

    Raises:
        WorldFailed: If the sandbox breaks.
        VerifierFailed: If the suite's patch cannot be applied.
    """
    results = _run_once(backend, start, suite, changed, describe)
    while results.late and (tries := tries - 1):
        results = _run_once(backend, start, suite, changed, describe)
    return results


def _run_once(
    backend: Backend, start: Snapshot, suite: Suite, changed: Mapping[str, bytes | None], describe: str
) -> Results:
    limits = Limits(wall_s=suite.limit_s, cpu_s=int(suite.limit_s) + 1, memory_mb=2048, output_kb=4096)
    sandbox = backend.open(start, limits=limits)
    try:
        try:
            put(sandbox, changed)
        except InputError as refused:
            return Results({}, f"a changed file has no place: {refused}")
        if suite.patch:
            _apply(sandbox, suite.patch)
        return run_in(sandbox, suite, describe=describe)
    finally:
        sandbox.close()


def put(sandbox: Sandbox, changed: Mapping[str, bytes | None]) -> None:
    """Write and remove files below `ROOT`.

    Raises:
        InputError: If a path is no place for a file.
        WorldFailed: If the sandbox breaks.
    """
    gone = [f"{ROOT}/{path}" for path, content in changed.items() if content is None]
    if gone:
        removed = sandbox.run(f"rm -rf -- {shlex.join(gone)}")
        if removed.exit != 0:
            raise InputError(f"files cannot be removed: {removed.stderr.decode(errors='replace')[-200:]}")
    for path, content in changed.items():
        if content is not None:
            sandbox.write(f"{ROOT}/{path}", content)


def _apply(sandbox: Sandbox, patch: str) -> None:
    """Apply a diff at `ROOT`. Errors as for `run`."""
    ran = sandbox.run(f"cd {ROOT} && git apply --whitespace=nowarn -", stdin=patch.encode())
    if ran.exit != 0:
        said = (ran.stderr + ran.stdout).decode(errors="replace").strip()[-300:]
        raise VerifierFailed(f"the patch of the tests cannot be applied: {said}")


def run_in(sandbox: Sandbox, suite: Suite, *, describe: str = "") -> Results:
    """Run a suite in an open sandbox, once. Arguments and errors as for `run`."""
    token = secrets.token_hex(8)
    here, mark = f"/run/{token}", secrets.token_hex(16)
    beside = suite.tests[-1].partition("::")[0]
    collected = not beside.endswith(".py")
    canary = posixpath.join(beside if collected else posixpath.dirname(beside), f"test_{token}.py")
    sandbox.write(f"{ROOT}/{canary}", _CANARIES.encode())
    for name in filter(None, ("inside", describe)):
        sandbox.write(f"{here}/{name}.py", resources.files(__package__).joinpath(f"{name}.py").read_bytes())
    asked = {
        "path": [*([here] if describe else []), *(posixpath.normpath(f"{ROOT}/{one}") for one in suite.path)],
        "tests": [*suite.tests, *(() if collected else (canary,))],
        "options": [*_OPTIONS, *suite.options],
        "describe": describe,
        "mark": mark,
    }
    ran = sandbox.run(
        f"cd {ROOT} && exec {suite.python} -I -B {here}/inside.py",
        timeout_s=suite.limit_s,
        stdin=json.dumps(asked).encode(),
    )
    output = (ran.stdout + ran.stderr).decode(errors="replace")[-4000:]
    if ran.ended == "time":
        return Results({}, f"the tests did not end within {suite.limit_s:g} s", late=True, output=output)
    _, *written = ran.stdout.decode(errors="replace").split(mark)
    if ran.ended or not written:
        how = f"was ended by the limit on {ran.ended}" if ran.ended else f"ended early with status {ran.exit}"
        return Results({}, f"the run {how}", output=output)
    return _read(written[0], canary, output)


def _read(written: str, canary: str, output: str) -> Results:
    try:
        given = json.loads(written)
        results = dict(given["results"])
        changed, said = list(given["changed"]), dict(given["described"])
    except (ValueError, TypeError, KeyError):
        return Results({}, "the run left no results that can be read", output=output)
    canaries = {name: results.pop(name) for name in list(results) if name.partition("::")[0] == canary}
    broken = ""
    if changed:
        broken = f"the tested code changed the test tools: {changed[0]}"
    elif not _true(canaries):
        broken = "tests whose results are known came out otherwise: the test tools were bent"
    described = {name: text for name, text in said.items() if name in results}
    return Results(results, broken, described=described, output=output)


def _true(canaries: Mapping[str, str]) -> bool:
    """Whether all of them came out as they must: collected where anything was, one passed, the others failed."""
    return len(canaries) == _CANARY_COUNT and all(
        status == ("passed" if name.endswith("::test_holds") else "failed") for name, status in canaries.items()
    )
