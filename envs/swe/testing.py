"""Running tests in a throw-away copy of a state, and which tests see a change.

Owns: choosing tests, running them, reading their results, which count only where they are signed (`signing`). Does not
own: when tests are asked for (`envs.base.runtime`), what follows from their results (`verifiers.swe`), tasks and their
hidden tests (`tasks`).

What ends a run is processor time, which other work on the machine does not use up: once tests have run to their end in
a state, every later run of them there may take twice as much and 3 s. Wall time only ends runs that wait for something.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import posixpath
import re
import secrets
import shlex
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from pivotgym.envs.sandbox.contract import Sandbox
from pivotgym.envs.sandbox.effects import shown
from pivotgym.envs.sandbox.shell.quoting import own_shell
from pivotgym.verifiers.code.reports import read_report

LIMIT_S = 45.0
MAX_FILES = 8
"""Test files that are run where an origin names no command."""
_ASIDE, _TIMES = "/run/pivotgym-tests", "/tmp/pivotgym-times"
_WHERE = "python -I -c 'import os, pytest; print(os.path.dirname(os.path.dirname(pytest.__file__)))'"
_OPTIONS = "-p no:cacheprovider -p pivotgym_signing"
_RESULTS = "pivotgym_results.json"
_BAD = frozenset({"failed", "error"})
_FIND = (
    "git ls-files -z -- 'test_*.py' '*/test_*.py' '*_test.py' '*/tests.py' 2>/dev/null"
    " | xargs -0 -r grep -lE -e %s -- 2>/dev/null | LC_ALL=C sort | head -n %d"
)
_OUT_OF_TIME = 128 + 24
"""Exit status of a process that `SIGXCPU` ended."""
_CHILDREN = re.compile(r"(\d{1,6})m(\d{1,2}\.\d{1,6})s")
_MAX_KEPT = 256
_kept: dict[tuple[str, str], Results] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Results:
    """Which tests ran and which failed, by id.

    Attributes:
        selected: Those that ran.
        failed: Those that failed.
        ended: The limit that ended the run, if one did.
        cpu_s: Processor time that they took.
    """

    selected: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    ended: str | None = None
    cpu_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As `Effects.detail["tests"]` has it, without `failed_before`."""
        return {"selected": list(self.selected), "failed": list(self.failed), "ended": self.ended}


def command_for(sandbox: Sandbox, paths: Sequence[str], root: str) -> str | None:
    """A command that runs the tests which name the changed modules; `None` where there are none.

    Args:
        sandbox: The state; nothing is changed in it.
        paths: Changed files, absolute.
        root: The repository's folder.
    """
    inner = [posixpath.relpath(path, root) for path in paths if path.startswith(f"{root}/") and path.endswith(".py")]
    stems = sorted({_stem(path) for path in inner} - {""})
    if not stems:
        return None
    named = "|".join(rf"(import|from)\b.*\b{stem}\b" for stem in stems)
    ran = sandbox.run(f"( builtin cd -- {shlex.quote(root)} && {_FIND % (shlex.quote(named), 200)} )")
    found = shown(ran.stdout).splitlines()
    # Tests named after the module first: those that only import it are many for central modules.
    found.sort(key=lambda file: (not any(stem in posixpath.basename(file) for stem in stems), file))
    chosen = list(dict.fromkeys([*(path for path in inner if _is_test(path)), *found]))[:MAX_FILES]
    return f"python -m pytest -q {shlex.join(chosen)}" if chosen else None


def run_tests(
    sandbox: Sandbox, command: str, root: str, environment: dict[str, str], cpu_s: float | None = None
) -> Results:
    """Run tests in a sandbox that nobody else uses; a run that wall time ended is tried once more.

    Args:
        sandbox: Where.
        command: What runs them.
        root: The folder it is run in.
        environment: All its variables; pytest is told by more of them to record the run.
        cpu_s: Processor time they took in another run of the same state; `None` where there was none.
    """
    variables = {**environment, "PYTEST_ADDOPTS": _OPTIONS, "PYTHONDONTWRITEBYTECODE": "1"}
    variables["PYTHONPATH"] = ":".join(filter(None, (_ASIDE, environment.get("PYTHONPATH"))))
    folder = _plugin_folder(sandbox, root, environment)
    most = LIMIT_S if cpu_s is None else min(LIMIT_S, 2 * cpu_s + 3)
    timed = f"( ulimit -St {math.ceil(most)}; {own_shell(command, cwd=root, environment=variables)} )"
    # The outer shell is a new one, so that its `times` are those of the tests.
    text = f"( {timed}; ended=$?; times > {_TIMES}; exit $ended )"
    for wall_s in (min(LIMIT_S, 4 * most), LIMIT_S):
        key = _lay_plugin(sandbox, folder)
        ran = sandbox.run(text, timeout_s=wall_s)
        if ran.ended is None:
            break
    if ran.ended is not None or ran.exit == _OUT_OF_TIME:
        return Results(ended=ran.ended or "processor time")
    found = _of_record(sandbox.read(f"{folder}/{_RESULTS}"), key) or _of_output(
        command, shown(ran.stdout) + shown(ran.stderr), ran.exit
    )
    return replace(found, cpu_s=_cpu_of(sandbox.read(_TIMES)))


def _cpu_of(times: bytes | None) -> float:
    """User and system time of all children, as bash's `times` says it on its second line; 0 where it was not run."""
    lines = (times or b"").decode("ascii", "replace").splitlines()
    return sum(60 * int(minutes) + float(rest) for minutes, rest in _CHILDREN.findall(lines[1] if lines[1:] else ""))


def pace(state: str, command: str, results: Results | None = None) -> float | None:
    """Processor time that these tests took in a state the first time they ended by themselves; noted from `results`."""
    if results is not None and results.ended is None:
        remembered(state, f"pace of {command}", lambda: results)
    with _lock:
        known = _kept.get((state, f"pace of {command}"))
    return known.cpu_s if known is not None else None


def remembered(state: str, command: str, run: Callable[[], Results]) -> Results:
    """The results in a state that many candidates start from, run once."""
    with _lock:
        found = _kept.get((state, command))
    if found is None:
        found = run()
        with _lock:
            while len(_kept) >= _MAX_KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[state, command] = found
    return found


def _plugin_folder(sandbox: Sandbox, root: str, environment: dict[str, str]) -> str:
    """Where a plugin is found whatever a command sets: beside pytest itself, else on `PYTHONPATH`."""
    ran = sandbox.run(own_shell(_WHERE, cwd=root, environment=environment), timeout_s=LIMIT_S)
    found = shown(ran.stdout).strip()
    return found if ran.exit == 0 and found.startswith("/") and "\n" not in found else _ASIDE


def _lay_plugin(sandbox: Sandbox, folder: str) -> bytes:
    """Lay what records a run, and the key of its signature, which is given back."""
    sandbox.run(f"command rm -f -- {shlex.quote(f'{folder}/{_RESULTS}')}")
    inside = resources.files("pivotgym.envs.swe")
    sandbox.write(f"{folder}/pivotgym_recorder.py", inside.joinpath("tasks", "inside.py").read_bytes())
    sandbox.write(f"{folder}/pivotgym_signing.py", inside.joinpath("signing.py").read_bytes())
    key = secrets.token_bytes(32)
    sandbox.write(f"{folder}/pivotgym_key", key)
    return key


def _of_record(record: bytes | None, key: bytes) -> Results | None:
    """The results that pytest wrote down and signed; `None` where it did not, as when it does not even start.

    What the tested code changed of the test tools counts like a test more that ran.
    """
    signature, _, told = (record or b"").partition(b"\n")
    if not hmac.compare_digest(signature, hmac.new(key, told, hashlib.sha256).hexdigest().encode()):
        return None
    try:  # tested code can reach the recorder itself
        given = json.loads(told)
        bad = [name for name, status in given["results"].items() if status in _BAD]
        changed = [f"{name} is another function" for name in given["changed"]]
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ):  # tested code can reach the recorder itself
        return None
    return Results(tuple(sorted([*given["results"], *changed])), tuple(sorted(bad)))


def _of_output(command: str, output: str, status: int | None) -> Results:
    """Of another runner: what it says of failed tests, and the exit status as one test more."""
    report = read_report(output)
    named = sorted(report.failed) if report is not None else []
    return Results((command,), (*named, *([command] if status else [])))


def _stem(path: str) -> str:
    name = posixpath.basename(path).removesuffix(".py")
    return posixpath.basename(posixpath.dirname(path)) if name == "__init__" else name


def _is_test(path: str) -> bool:
    name = posixpath.basename(path)
    return name.startswith("test_") or name.endswith("_test.py")
