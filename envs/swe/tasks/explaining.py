"""Describes a failed test by what was called, what was expected and what came; runs inside a sandbox beside `inside`.

Owns: reading the failing statement and evaluating its sides once more. Needs nothing but Python.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import re
from typing import Any

_LONGEST = 200
_TESTED = 2
_EXPECTED = re.compile(r"_?(expect|want|correct|answer|ref|truth|desired)", re.IGNORECASE)
_PLAIN = {
    *dir(builtins),
    *dir(str),
    *dir(bytes),
    *dir(list),
    *dir(dict),
    *dir(set),
    "date",
    "datetime",
    "timedelta",
    "today",
}
"""Names of calls that prepare or spell out a value."""


def describe(file: str, info: Any) -> dict[str, Any] | None:
    """What a failure shows, by its innermost statement in the test's own file.

    Args:
        file: The test's file.
        info: pytest's exception information; `None` for a test that passed, of which nothing is told.

    Returns:
        `line` of the statement, `kind` (`value`, `exception`, `no exception`), and per kind `got` (text of the value),
        `exception` (its name) with `message`; `names` {variable of the statement: its value}. `None` where there is no
        such statement.
    """
    entry = None
    for one in info.traceback if info is not None else ():
        if str(one.path) == file:
            entry = one
    if entry is None:
        return None
    line = entry.lineno + 1
    statement = innermost(ast.parse("".join(linecache.getlines(file))), line)
    if statement is None:
        return None
    told: dict[str, Any] = {"line": statement.lineno}
    scope, variables = entry.frame.f_globals, entry.frame.f_locals
    sides = compared(statement)
    if _is_assertion(info) and sides is None:
        quiet = any(words in str(info.value) for words in ("DID NOT RAISE", "not raised"))
        return {**told, "kind": "no exception"} if quiet else None
    shown = statement if sides is None else sides[0]
    told["names"] = _names(shown, variables)
    if not _is_assertion(info) or sides is None:
        return {**told, "kind": "exception", "exception": info.type.__name__, "message": str(info.value)[:_LONGEST]}
    try:
        value = eval(compile(ast.Expression(sides[0]), "<shown>", "eval"), dict(scope), dict(variables))
        wanted = eval(compile(ast.Expression(sides[1]), "<shown>", "eval"), dict(scope), dict(variables))
    except Exception as error:
        return {**told, "kind": "exception", "exception": type(error).__name__, "message": str(error)[:_LONGEST]}
    if value == wanted:
        return None  # it cannot be evaluated twice
    return {**told, "kind": "value", "got": _shown(value), "wanted": _shown(wanted)}


def innermost(tree: ast.Module, line: int) -> ast.stmt | None:
    """The smallest statement of a file that covers a line."""
    statements = (node for node in ast.walk(tree) if isinstance(node, ast.stmt))
    covering = (node for node in statements if node.lineno <= line <= (node.end_lineno or node.lineno))
    return max(covering, key=lambda node: (node.lineno, -(node.end_lineno or 0)), default=None)


def compared(statement: ast.stmt) -> tuple[ast.expr, ast.expr] | None:
    """What an assertion of equality looks at, the tested side first: the one that calls something."""
    pair: tuple[ast.expr, ast.expr] | None = None
    if isinstance(statement, ast.Assert):
        test = statement.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq | ast.Is):
            pair = (test.left, test.comparators[0])
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            pair = (test.operand, ast.copy_location(ast.Constant(False), test))
        elif isinstance(test, ast.Call):
            pair = (test, ast.copy_location(ast.Constant(True), test))
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called, arguments = statement.value.func, statement.value.args
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name.lower() in ("assertequal", "assertequals", "assert_equal", "assertlistequal") and len(arguments) >= 2:
            pair = (arguments[0], arguments[1])
        elif name in ("assertTrue", "assertFalse") and arguments:
            pair = (arguments[0], ast.copy_location(ast.Constant(name == "assertTrue"), arguments[0]))
    if pair is None:
        return None
    weights = [_weight(side) for side in pair]
    if weights[0] == weights[1] == _TESTED:
        return None  # which of the two is on trial?
    return (pair[1], pair[0]) if weights[1] > weights[0] else pair


def _weight(side: ast.expr) -> int:
    """How likely a side is the tested one: most where it calls something of its own, least where it spells out a value.

    A name that says that it is what is expected is as good as a value.
    """
    if isinstance(side, ast.Name) and _EXPECTED.match(side.id):
        return 0
    nodes = list(ast.walk(side))
    if not any(isinstance(node, ast.Name) for node in nodes):
        return 0
    names = [
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "?")
        for node in nodes
        if isinstance(node, ast.Call)
    ]
    return _TESTED if any(name not in _PLAIN for name in names) else 1


def _is_assertion(info: Any) -> bool:
    return issubclass(info.type, AssertionError) or info.type.__name__ == "Failed"


def _names(node: ast.AST, variables: dict[str, Any]) -> dict[str, str]:
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} & variables.keys()
    return {name: _shown(variables[name]) for name in sorted(used) if name != "self"}


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(error).__name__}>"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
