"""Held-out inputs of a task: its failing tests with other values in them, which no solution can know by heart.

Owns: making such tests, and which of their results tell a mended package from the broken one. Does not own: running
(`running`), what a final state pays (`judge`).

A test is copied with its literals changed at random; what it compares is told (`telling`), not compared, since nobody
wrote down what is right there. The released package says it: a copy counts where two runs of the release agree, the
broken package gives something else, and the result is none of those of the original inputs. Copies with their literals
left as they are show values that claim to equal everything.
"""

from __future__ import annotations

import ast
import copy
import posixpath
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from pivotgym.envs.swe.tasks.explaining import compared

COPIES = 6
"""Of each file of tests; the first is left as it is."""
_SHARE = 0.6
"""Of the literals that are changed."""
_LETTERS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_SEEN = "pivotgym_seen"


@dataclass(frozen=True)
class Copies:
    """Copies of a task's failing tests.

    Attributes:
        files: By path below the package's folder.
        tests: What pytest is given to run all of them.
    """

    files: Mapping[str, bytes]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """What a mended package shows and the broken one does not, by test id: `same` inputs, and `other` ones."""

    same: Mapping[str, str]
    other: Mapping[str, str]

    def met(self, told: Mapping[str, str]) -> bool:
        """Whether most of both are so."""
        parts = [part for part in (self.same, self.other) if part]
        return all(2 * sum(told.get(test) == value for test, value in part.items()) > len(part) for part in parts)


def copies(tree: Mapping[str, bytes], tests: Collection[str], seed: str) -> Copies:
    """Copies of some tests.

    Args:
        tree: The package.
        tests: Ids of the tests.
        seed: Equal seeds change equal literals.
    """
    files: dict[str, bytes] = {}
    given: list[str] = []
    plain = sorted({test.partition("[")[0] for test in tests})
    for number in range(COPIES):
        random = Random(f"{seed}/{number}") if number else None
        for path in sorted({test.partition("::")[0] for test in plain}):
            names = {test.rpartition("::")[2] for test in plain if test.startswith(f"{path}::")}
            files[_beside(path, number)] = _changed(tree[path].decode(), names, random).encode()
        given += [f"{_beside(path, number)}::{rest}" for path, _, rest in (test.partition("::") for test in plain)]
    return Copies(files, tuple(given))


def expected(release: tuple[Mapping[str, str], Mapping[str, str]], broken: Mapping[str, str]) -> Expected:
    """What counts, from what was told of two runs of the release and of one of the broken package."""
    first, second = release
    counts = {test: value for test, value in first.items() if second.get(test) == value != broken.get(test)}
    known = {value for test, value in first.items() if _number(test) == 0}
    same = {test: value for test, value in counts.items() if _number(test) == 0}
    other = {test: value for test, value in counts.items() if _number(test) and value not in known}
    return Expected(same, other)


def _beside(path: str, number: int) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f"test_{number}_{name}")


def _number(test: str) -> int:
    return int(posixpath.basename(test.partition("::")[0]).split("_")[1])


def _changed(source: str, names: set[str], random: Random | None) -> str:
    """A file of tests whose functions of some names tell what they compare, with other literals."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names]
    if random is not None:
        used = {one.id for node in functions for one in ast.walk(node) if isinstance(one, ast.Name)}
        tables = [node.value for node in tree.body if isinstance(node, ast.Assign) and _targets(node) & used]
        for place in (*tables, *functions):
            _Literals(random).visit(place)
    for node in functions:
        node.body = [_Telling().visit(one) for one in node.body]
    start = next((at for at, node in enumerate(tree.body) if not _leads(node)), len(tree.body))
    tree.body.insert(start, ast.parse(f"from telling import seen as {_SEEN}").body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


def _leads(node: ast.stmt) -> bool:
    """Whether a statement must stand before any import: the docstring, and what is imported from the future."""
    documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return documents or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def _targets(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


class _Literals(ast.NodeTransformer):
    """Changes numbers and texts."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def visit_Call(self, node: ast.Call) -> Any:
        """Leave the names of a test's arguments as they are."""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "parametrize":
            node.args[1:] = [self.visit(one) for one in node.args[1:]]
            return node
        return self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        """Leave formats alone."""
        return node

    def visit_Constant(self, node: ast.Constant) -> Any:
        """Another value of the same type."""
        if self._random.random() < _SHARE:
            node.value = self._other(node.value)
        return node

    def _other(self, value: Any) -> Any:
        if type(value) is int:
            return value + self._random.choice((1, 2, 3) if value < 2 else (-1, 1, 2, 3))
        if type(value) is float:
            return value + self._random.choice((0.25, 0.5, 1.5))
        if type(value) is str:
            return self._respelt(value)
        return value

    def _respelt(self, text: str) -> str:
        places = [at for at, letter in enumerate(text) if any(letter in kind for kind in _LETTERS)]
        for at in self._random.sample(places, min(len(places), 1 + len(text) // 8)):
            kind = next(kind for kind in _LETTERS if text[at] in kind)
            text = text[:at] + self._random.choice(kind) + text[at + 1 :]
        return text


class _Telling(ast.NodeTransformer):
    """Tells the sides of a comparison on trial instead of comparing them."""

    def visit_Assert(self, node: ast.Assert) -> Any:
        """Tell a comparison, or whether a condition holds."""
        return _told(node) or _call(node, node.test)

    def visit_Expr(self, node: ast.Expr) -> Any:
        """Tell what `assertEqual` and its like compare."""
        return _told(node) or node


def _told(node: ast.Assert | ast.Expr) -> ast.stmt | None:
    sides = compared(node)
    return None if sides is None else _call(node, sides[0])


def _call(node: ast.stmt, value: ast.expr) -> ast.stmt:
    called = ast.Call(ast.Name(_SEEN, ast.Load()), [copy.deepcopy(value)], [])
    return ast.copy_location(ast.Expr(called), node)
