"""Command lines that run tests.

Owns: which programs are test runners, and which of pytest's options decide what runs. Does not own: reports
(`verifiers.code.reports`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pivotgym.verifiers.code.operations import RunTests

_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
_SCRIPTS = {"runtests.py": "runtests.py", "test": "bin/test"}
_MODULES = {"pytest": "pytest", "py.test": "pytest", "unittest": "unittest", "nose": "nose"}
_PROGRAMS = {"pytest": "pytest", "py.test": "pytest", "nosetests": "nose"}
_SHOWING = re.compile(
    r"-[qvslr]+\w*|--(?:quiet|verbose|no-header|no-summary|showlocals|disable-warnings|full-trace|capture=.*|tb=.*"
    r"|color=.*|durations=.*|show-capture=.*|verbosity=?.*|cache-clear)"
)
"""Options of runners that change what is shown, never which tests run."""
_TAKES_VALUE = {
    "-k", "-m", "-n", "-p", "-c", "-o", "-W", "--tb", "--maxfail", "--deselect", "--ignore", "--settings", "--parallel",
    "--rootdir", "--durations", "--verbosity", "--color", "--capture", "--seed", "-t", "--confcutdir",
    "--override-ini", "--ignore-glob", "--show-capture",
}  # fmt: skip
_UNUSED = {"no:cacheprovider"}
_IGNORED_VARIABLES = re.compile(r"(?:PYTHONDONTWRITEBYTECODE|PYTHONUNBUFFERED|NO_COLOR|FORCE_COLOR|COLUMNS)=.*")


def run_of(words: Sequence[str], assigned: Sequence[str] = ()) -> RunTests | None:
    """The test run that a command line is; `None` for any other.

    Args:
        words: Program and arguments.
        assigned: Variables set for it, as `NAME=value`.
    """
    runner, given = _runner(list(words))
    if not runner:
        return None
    selection: list[str] = []
    options = [one for one in assigned if not _IGNORED_VARIABLES.fullmatch(one)]
    left = list(given)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            selection.append(word.removeprefix("./"))
            continue
        value = left.pop(0) if left and _takes_value(word, runner) else ""
        if not _shows_only(word, value):
            options.append(f"{word} {value}".strip())
    return RunTests(runner, tuple(sorted(selection)), tuple(sorted(options)))


def _takes_value(word: str, runner: str) -> bool:
    """Whether the next word belongs to an option; short ones mean other things to other runners."""
    if word in ("-v", "-s"):
        return runner in (("runtests.py", "manage.py test") if word == "-v" else ("unittest",))
    return word in _TAKES_VALUE


def _shows_only(word: str, value: str) -> bool:
    """Whether an option changes neither which tests run nor when they stop."""
    if word in ("-n", "--parallel") or value in _UNUSED:
        return True
    if value:
        return word == "-v" or (word.startswith("--") and _SHOWING.fullmatch(f"{word}={value}") is not None)
    return _SHOWING.fullmatch(word) is not None


def _runner(words: list[str]) -> tuple[str, list[str]]:
    """The runner and its arguments; an empty name where there is none."""
    if _PYTHON.fullmatch(words[0].rpartition("/")[2]):
        words = words[1:]
        while words[:1] in (["-B"], ["-u"]):
            words = words[1:]
        if words[:1] == ["-m"] and len(words) > 1 and words[1] in _MODULES:
            return _MODULES[words[1]], words[2:]
        if not words or words[0].startswith("-"):
            return "", []
    program = words[0].rpartition("/")[2]
    if program == "manage.py" and words[1:2] == ["test"]:
        return "manage.py test", words[2:]
    if program in _PROGRAMS and "/" not in words[0]:
        return _PROGRAMS[program], words[1:]
    if program in _SCRIPTS and ("/" in words[0] or program.endswith(".py")):
        return _SCRIPTS[program], words[1:]
    return "", []
