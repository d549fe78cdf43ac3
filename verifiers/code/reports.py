"""What test runners say at the end: how many tests passed and failed, and which failed.

Owns: reading the reports of pytest, unittest and what is built on them (Django's runner, SymPy's). Does not own:
running tests, or which tests a command selects (`verifiers.code.runners`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PYTEST = re.compile(r"^=*[ \t]*((?:[0-9]{1,9} [a-z]+(?:, )?)+) in [\d.:]+ ?(?:s|seconds?).*$", re.MULTILINE)
_PYTEST_COUNT = re.compile(r"([0-9]{1,9}) (passed|failed|errors?|skipped|xfailed|xpassed|deselected|warnings?)")
_PYTEST_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - .*)?$", re.MULTILINE)
_NOTHING_RAN = re.compile(r"^=*[ \t]*no tests ran\b.*$", re.MULTILINE)
_UNITTEST = re.compile(r"^Ran ([0-9]{1,9}) tests? in [\d.]+s\s+(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?", re.MULTILINE)
_UNITTEST_FAILED = re.compile(r"^(?:FAIL|ERROR): (\S+)(?: \(([^)]*)\))?", re.MULTILINE)
_SYMPY = re.compile(r"tests finished: ((?:[0-9]{1,9} [a-z ]+(?:, )?)+?),? in [\d.]+ seconds")
_SYMPY_COUNT = re.compile(r"([0-9]{1,9}) (passed|failed|exceptions?|skipped|expected to fail)")
_IGNORED = {"warning", "warnings", "deselected"}


@dataclass(frozen=True)
class Report:
    """Counts by outcome (`passed`, `failed`, `error`, ...), and names of tests that failed, as far as they are told."""

    counts: tuple[tuple[str, int], ...]
    failed: frozenset[str] = frozenset()


def read_report(output: str) -> Report | None:
    r"""The last report in an output of a test runner; `None` where there is none.

    >>> read_report("FAILED t.py::test_a - assert 1\n==== 1 failed, 2 passed in 0.12s ====")
    Report(counts=(('failed', 1), ('passed', 2)), failed=frozenset({'t.py::test_a'}))
    """
    pytest = list(_PYTEST.finditer(output))
    if pytest:
        counts = {
            name.rstrip("s") if name == "errors" else name: int(n) for n, name in _PYTEST_COUNT.findall(pytest[-1][1])
        }
        return _report(counts, set(_PYTEST_FAILED.findall(output)))
    unittest = list(_UNITTEST.finditer(output))
    if unittest:
        return _unittest(unittest[-1], output)
    sympy = list(_SYMPY.finditer(output))
    if sympy:
        return _report({name: int(n) for n, name in _SYMPY_COUNT.findall(sympy[-1][1])}, set())
    return Report(()) if _NOTHING_RAN.search(output) else None


def _unittest(found: re.Match[str], output: str) -> Report:
    counts = dict.fromkeys(("passed",), int(found[1]))
    for name, number in re.findall(r"([a-z][a-z ]{0,30})=([0-9]{1,9})\b", found[3] or ""):
        counts[name.strip()] = int(number)
        counts["passed"] -= int(number)
    return _report(counts, {f"{case} {name}".strip() for name, case in _UNITTEST_FAILED.findall(output)})


def _report(counts: dict[str, int], failed: set[str]) -> Report:
    kept = {name: number for name, number in counts.items() if name not in _IGNORED and number}
    return Report(tuple(sorted(kept.items())), frozenset(failed))
