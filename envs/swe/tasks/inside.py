"""Runs a suite inside a sandbox; a script of its own that needs nothing but Python and pytest.

Owns: what is recorded of each test, and the checks that pytest itself still tells the truth. Does not own: the machine
it runs on (`running`), or what the results mean (`judge`).

Reads one JSON object on standard input: `path` (folders to import from), `tests` (what pytest is given), `options`,
`describe` (the module that describes tests, or ""), `mark`. Writes one to standard output, between two
marks, where no other process can take it back or change it: `results` {test id: status}, `described` {test id:
description}, `changed` (names of the test tools' own functions that are others after the run than before it).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
from typing import Any

_GUARDED = ("__main__", "_pytest", "pluggy", "pytest", "unittest", "builtins", "json", "pathlib")


class Recorder:
    """A pytest plugin that keeps the status of every test.

    Args:
        describe: Describes a test by its file and what ended it; `None` where nobody asks.
    """

    def __init__(self, describe: Any = None) -> None:
        self.results: dict[str, str] = {}
        self.described: dict[str, Any] = {}
        self._describe = describe

    def pytest_collectreport(self, report: Any) -> None:
        """Keep what cannot be collected."""
        if report.failed:
            self.results[report.nodeid] = "error"

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the worst that happened to a test."""
        earlier = self.results.get(report.nodeid)
        if report.when == "call" and earlier is None:
            expected = hasattr(report, "wasxfail")
            names = {"passed": "xpassed", "skipped": "xfailed"} if expected else {}
            self.results[report.nodeid] = names.get(report.outcome, report.outcome)
        elif report.outcome == "failed":
            self.results[report.nodeid] = "error"
        elif report.outcome == "skipped" and earlier is None:
            self.results[report.nodeid] = "skipped"

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Describe a test while its frames are still there."""
        if self._describe is not None and call.when == "call":
            described = self._describe(str(item.path), call.excinfo)
            if described is not None:
                self.described[item.nodeid] = described


def functions() -> dict[str, int]:
    """The identity of every function and method of the guarded modules that are loaded."""
    found: dict[str, int] = {}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] not in _GUARDED or module is None:
            continue
        for key, value in list(vars(module).items()):
            found.update(_identities(f"{name}.{key}", value))
            if isinstance(value, type) and value.__module__ == name:
                for inner, member in list(vars(value).items()):
                    found.update(_identities(f"{name}.{key}.{inner}", member))
    return found


def _identities(name: str, value: Any) -> dict[str, int]:
    value = getattr(value, "__func__", value)
    code = getattr(value, "__code__", None)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return {name: hash((id(value), id(code)))}
    return {}


def main() -> None:
    """Run what standard input asks for."""
    asked = json.load(sys.stdin)
    output = os.dup(sys.stdout.fileno())
    import pytest

    sys.path[:0] = asked["path"]
    recorder = Recorder(importlib.import_module(asked["describe"]).describe if asked["describe"] else None)
    for name in ("unittest", "unittest.mock", "unittest.case"):
        __import__(name)
    before = functions()
    pytest.main([*asked["options"], *asked["tests"]], plugins=[recorder])
    after = functions()
    changed = sorted(name for name, found in before.items() if after.get(name) != found)
    told = json.dumps({"results": recorder.results, "described": recorder.described, "changed": changed})
    with os.fdopen(output, "w", encoding="utf-8") as stream:
        stream.write(f"\n{asked['mark']}{told}{asked['mark']}\n")
    os._exit(0)  # nothing that the tested code left for the end runs


if __name__ == "__main__":
    main()
