"""Looks for bugs: changes of a package that break a few of its tests, each the same way whenever they run.

Owns: the search, and what makes a bug fit for a task. Does not own: the changes (`mutate`), running (`running`), the
tasks that are offered (`catalogue`). Run it with `python -m pivotgym.envs.swe.tasks.generate`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import yaml

from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.envs.sandbox.contract import Backend, Snapshot
from pivotgym.envs.swe.tasks import issues, running
from pivotgym.envs.swe.tasks.mutate import Mutation, mutations, parses
from pivotgym.envs.swe.tasks.packages import Package, fetch, packages

MOST_FAILING = 8
_LIMIT_S = 20.0
"""Of a suite: many changes make a loop endless."""


def search(backend: Backend, package: Package, *, seed: int, want: int, tries: int) -> Iterator[dict[str, Any]]:
    """Bugs of a package, each in a function of its own, as the entries of `catalogue.yaml`.

    Args:
        backend: Where suites run.
        package: Its source must have been fetched.
        seed: Equal seeds try equal changes.
        want: Most bugs.
        tries: Most changes that are run.
    """
    tree = package.tree()
    start = running.machine(backend, tree)
    suite = running.Suite(package.tests, package.path, limit_s=_LIMIT_S)
    steady = running.run(backend, start, suite, {}).passed() & running.run(backend, start, suite, {}).passed()
    seen: set[tuple[str, str]] = set()
    for path, function, change in _candidates(package, tree, Random(f"{package.name}/{seed}")):
        if want == 0 or tries == 0:
            return
        text = change.apply(tree[path].decode())
        if (path, function) in seen or not parses(text):
            continue
        tries -= 1
        changed = {path: text.encode()}
        told = _tried(backend, start, suite, changed, steady, tree)
        if told is None:
            continue
        failing, failure = told
        seen.add((path, function))
        want -= 1
        yield {
            "path": path,
            "line": change.line,
            "column": change.column,
            "operator": change.operator,
            "result": hashlib.sha256(changed[path]).hexdigest()[:16],
            "fails": sorted(failing),
            "shown": failure.to_json(),
        }


def _tried(
    backend: Backend,
    start: Snapshot,
    suite: running.Suite,
    changed: Mapping[str, bytes],
    steady: frozenset[str],
    tree: Mapping[str, bytes],
) -> tuple[frozenset[str], issues.Failure] | None:
    """What a change breaks, and the failure that tells it best; `None` where it is not fit for a task."""
    results = running.run(backend, start, suite, changed, describe="explaining", tries=1)
    failing = steady - results.passed()
    if results.broken or not 1 <= len(failing) <= MOST_FAILING:
        return None
    told = {}
    for test in sorted(failing & results.described.keys()):
        source = tree[test.partition("::")[0]].decode()
        found = issues.failure(test, results.described[test], source)
        if found is not None:
            told[test] = found, (len(issues.unknown(found, source)), found.kind != "value", len(found.got))
    if not told or steady - running.run(backend, start, suite, changed).passed() != failing:
        return None
    return failing, min(told.values(), key=lambda one: one[1])[0]


def _candidates(package: Package, tree: Mapping[str, bytes], random: Random) -> Iterator[tuple[str, str, Mutation]]:
    """Changes in random order, each operator in its turn."""
    by_operator: dict[str, list[tuple[str, str, Mutation]]] = defaultdict(list)
    for path, content in tree.items():
        if path.endswith(".py") and package.is_source(path):
            source = content.decode()
            spans = _functions(source)
            for change in mutations(source):
                by_operator[change.operator].append((path, _function_at(spans, change.line), change))
    for found in by_operator.values():
        random.shuffle(found)
    order = sorted(by_operator)
    random.shuffle(order)
    while any(by_operator.values()):
        for operator in order:
            if by_operator[operator]:
                yield by_operator[operator].pop()


def _functions(source: str) -> list[tuple[int, int, str]]:
    return [
        (node.lineno, node.end_lineno or node.lineno, f"{node.name}:{node.lineno}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _function_at(spans: list[tuple[int, int, str]], line: int) -> str:
    return min((end - first, name) for first, end, name in spans if first <= line <= end)[1]


def main() -> None:
    """Search all packages and write the catalogue's file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--want", type=int, default=7, help="bugs in each package")
    parser.add_argument("--tries", type=int, default=80, help="changes that are run in each package")
    parser.add_argument("--package", action="append", choices=sorted(packages()))
    asked = parser.parse_args()
    fetch()
    found: dict[str, list[dict[str, Any]]] = {}
    if asked.out.exists():
        found = yaml.safe_load(asked.out.read_text(encoding="utf-8")) or {}
    for name in asked.package or sorted(packages()):
        package = packages()[name]
        found[name] = list(search(default_backend(), package, seed=asked.seed, want=asked.want, tries=asked.tries))
        print(f"{name}: {len(found[name])} bugs", flush=True)
        asked.out.write_text(_HEAD + yaml.safe_dump(found, sort_keys=True, width=120), encoding="utf-8")


_HEAD = "# Written by `python -m pivotgym.envs.swe.tasks.generate`: bugs by place, operator and the tests they break.\n"

if __name__ == "__main__":
    main()
