"""The text of an issue, written from a failing test: what was called, what came, what should have come.

Owns: the words, and which failures can be told. Does not own: running tests. The text never names the changed place.

A failure is stored as `Failure`: the statement's line, and values. The statement itself is read from the package's own
tests when the text is written, so that none of it is kept anywhere.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from pivotgym.core.errors import NotFound
from pivotgym.envs.swe.tasks.explaining import compared, innermost

_LONGEST_VALUE = 100
_MOST_STEPS = 12
_OPENINGS = (
    "Something is off in {name} {version}.",
    "I think I have found a bug in {name} {version}.",
    "After an update to {name} {version} one of our scripts gives other results than it did.",
    "{name} {version} does not do here what it did before:",
    "Could someone look at this? {name} {version} behaves strangely:",
)
_GOT = (
    "I get `{got}`, but it should be `{wanted}`.",
    "The result is `{got}`. Expected: `{wanted}`.",
    "This gives `{got}` where I expect `{wanted}`.",
    "It should give `{wanted}`; what I see is `{got}`.",
)
_RAISED = (
    "It raises `{raised}`, which it should not.",
    "This ends with `{raised}`; it should simply work.",
    "Instead of a result there is `{raised}`.",
)
_QUIET = (
    "This should raise {wanted}, but nothing is raised.",
    "I expect {wanted} here. It goes through without any error.",
)


@dataclass(frozen=True)
class Failure:
    """A failing test, as far as the text of an issue needs it.

    Attributes:
        test: Its id.
        line: Of the failing statement in the test's file.
        kind: `value`, `exception` or `no exception`.
        got: What came: a value, or an exception with its message; "" for `no exception`.
        wanted: The expected value where the statement does not spell it out, else "".
        names: Values of the variables in the statement, as far as they can be told.
    """

    test: str
    line: int
    kind: str
    got: str = ""
    wanted: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON form; empty fields are left out."""
        return {name: value for name, value in vars(self).items() if value}


def failure(test: str, described: Mapping[str, Any], source: str) -> Failure | None:
    """What `explaining.describe` says as a failure; `None` for one that cannot be told in a few words.

    Args:
        test: The test's id.
        described: What was said.
        source: The test's file.
    """
    kind, line = str(described["kind"]), int(described["line"])
    got, wanted = "", ""
    if kind == "value":
        got = described["got"]
        statement = innermost(_parsed(source), line)
        sides = compared(statement) if statement else None
        wanted = "" if sides and _literal(sides[1]) else described["wanted"]
    elif kind == "exception":
        message = described["message"].strip()
        got = described["exception"] + (f": {message}" if message else "")
    names = {
        name: value for name, value in described.get("names", {}).items() if not value.startswith("<") and _short(value)
    }
    found = Failure(test, line, kind, got, wanted, names)
    if not all(_short(one) and not one.startswith("<") for one in (got, wanted)) or _steps(found, source) is None:
        return None
    return found


def text(found: Failure, source: str, *, name: str, version: str, failing: int, tests: str, seed: str) -> str:
    """The issue.

    Args:
        found: The failure it tells.
        source: The test's file.
        name: The package.
        version: Its version.
        failing: How many tests fail.
        tests: How the suite is run.
        seed: Equal seeds choose equal words.

    Raises:
        NotFound: If the file has no such statement: it is another one.
    """
    steps = _steps(found, source)
    if steps is None:
        raise NotFound(f"test {found.test!r}: its file has no statement at line {found.line} that could be told")
    code, wanted = steps
    random = Random(seed)
    if found.kind == "value":
        outcome = random.choice(_GOT).format(got=found.got, wanted=found.wanted or wanted)
    elif found.kind == "exception":
        outcome = random.choice(_RAISED).format(raised=found.got)
        if wanted:
            outcome = f"It raises `{found.got}`, where `{wanted}` would be right."
    else:
        outcome = random.choice(_QUIET).format(wanted=f"`{wanted}`")
    opening = random.choice(_OPENINGS).format(name=name, version=version)
    values = [f"`{key}` being `{value}`" for key, value in found.names.items() if key not in _made_in(code)]
    where = f"(with {', '.join(values)})\n\n" if values else ""
    if unknown(found, source):
        where += f"(the names are those of `{found.test.partition('[')[0]}`, which shows it)\n\n"
    count = "One test of the suite fails" if failing == 1 else f"{failing} tests of the suite fail"
    return (
        f"{opening}\n\n```python\n{code}\n```\n\n{where}{outcome}\n\n"
        f"{count} because of it (`{tests}`). Please find the cause and mend it in the package's own code: the tests "
        "are right as they were released, and changes to them do not count."
    )


@lru_cache(maxsize=16)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _short(value: str) -> bool:
    return len(value) <= _LONGEST_VALUE and "\n" not in value and re.search(r"0x[0-9a-f]{6,}|`", value) is None


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return False
    return True


def _steps(found: Failure, source: str) -> tuple[str, str] | None:
    """What to run to see the failure, and what is expected, as code.

    `None` where it is too long or not there, or where all that it shows is a name that something else gives a value.
    """
    statement = innermost(_parsed(source), found.line)
    if statement is None:
        return None
    shown, wanted = _shown(statement, found.kind)
    if shown is None:
        return None
    tree = _parsed(source)
    before = [ast.unparse(one) for one in _before(tree, found.line)]
    if shown.isidentifier() and shown not in _made_in("\n".join(before)):
        return None
    steps = [*before, shown]
    try:
        used = _used(ast.parse("\n".join(steps)))
    except SyntaxError:
        return None
    lines = "\n".join([*_imports(tree, used), *steps]).splitlines()
    if len(lines) > _MOST_STEPS or any(len(line) > 200 for line in lines):
        return None
    return "\n".join(lines), wanted


def unknown(found: Failure, source: str) -> set[str]:
    """Names in what is shown that only the test's own file explains."""
    steps = _steps(found, source)
    if steps is None:
        return set()
    return _used(ast.parse(steps[0])) - _known(_parsed(source), steps[0]) - found.names.keys()


def _used(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _known(tree: ast.Module, code: str) -> set[str]:
    """Names that a reader of some code knows: built in, made there, or imported from elsewhere."""
    nodes = list(ast.walk(ast.parse(code)))
    made = {one.arg for one in nodes if isinstance(one, ast.arg)}
    made |= {one.asname or one.name.partition(".")[0] for one in nodes if isinstance(one, ast.alias)}
    made |= {one.name for one in nodes if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    imported = {
        one.asname or one.name.partition(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for one in node.names
    }
    return {*dir(builtins), *made, *_made_in(code), *imported}


def _made_in(code: str) -> set[str]:
    """The variables that some code assigns."""
    names = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _imports(tree: ast.Module, used: set[str]) -> list[str]:
    """The imports of a file that some code needs, in a form that works anywhere."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [one for one in node.names if (one.asname or one.name.partition(".")[0]) in used]
            found += [ast.unparse(ast.Import(names))] if names else []
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [one for one in node.names if (one.asname or one.name) in used]
            found += [ast.unparse(ast.ImportFrom(node.module, names, 0))] if names else []
    return found


def _shown(statement: ast.stmt, kind: str) -> tuple[str | None, str]:
    """The code that is on trial and what it should give; `None` where the statement is of no known form."""
    sides = compared(statement)
    if kind == "value":
        return (None, "") if sides is None else (ast.unparse(sides[0]), ast.unparse(sides[1]))
    raises = _raising(statement)
    if raises is not None:
        return raises
    if kind == "no exception":
        return None, ""
    if sides is None and isinstance(statement, ast.Assert):
        return ast.unparse(statement.test), ""
    return ast.unparse(statement if sides is None else sides[0]), ""


def _raising(statement: ast.stmt) -> tuple[str, str] | None:
    """The code that should raise, and what, of a statement that checks it."""
    if isinstance(statement, ast.With):
        call = statement.items[0].context_expr
        if isinstance(call, ast.Call) and call.args:
            return "\n".join(map(ast.unparse, statement.body)), ast.unparse(call.args[0])
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function, arguments = statement.value.func, statement.value.args
        named = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if named in ("assertRaises", "raises") and len(arguments) >= 2:
            wanted, called, *rest = map(ast.unparse, arguments)
            return f"{called}({', '.join(rest)})", wanted
    return None


def _before(tree: ast.Module, line: int) -> list[ast.stmt]:
    """The statements of a test before its failing one that prepare something; none of those that check."""
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not functions:
        return []
    body = max(functions, key=lambda node: node.lineno).body
    return [one for one in body if (one.end_lineno or 0) < line and not _checks(one)]


def _checks(statement: ast.stmt) -> bool:
    documents = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    checks = re.search(r"\bassert|raises\(", ast.unparse(statement)) is not None
    return documents or checks
