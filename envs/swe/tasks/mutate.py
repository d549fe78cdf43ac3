"""Small changes of a Python file as people make them by mistake, each named by its place and its operator.

Owns: the operators, and which places they fit. Does not own: which changes are bugs that tests find (`generate`).

A change replaces a part of one line and is named by line, column and operator: no text of the file is needed to store
it, and `mutation` finds it again in the same file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pivotgym.core.errors import NotFound

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_NEIGHBOURS = (
    ("lower", "upper"), ("startswith", "endswith"), ("lstrip", "rstrip"), ("ljust", "rjust"), ("find", "rfind"),
    ("split", "rsplit"), ("partition", "rpartition"), ("popleft", "pop"), ("append", "appendleft"), ("keys", "values"),
    ("match", "search"), ("index", "count"), ("add", "discard"), ("min", "max"), ("any", "all"), ("sorted", "list"),
    ("floor", "ceil"), ("islice", "takewhile"), ("first", "last"),
)  # fmt: skip
_OTHER_NAME = {**dict(_NEIGHBOURS), **{second: first for first, second in _NEIGHBOURS}}


@dataclass(frozen=True)
class Mutation:
    """A change of one line.

    Attributes:
        operator: What kind of mistake it is.
        line: Counted from 1.
        column: Of the first character that is replaced, from 0.
        old: The text that is replaced.
        new: What stands there instead.
    """

    operator: str
    line: int
    column: int
    old: str
    new: str

    def apply(self, source: str) -> str:
        """The file's text with the change in it."""
        lines = source.split("\n")
        text = lines[self.line - 1]
        lines[self.line - 1] = text[: self.column] + self.new + text[self.column + len(self.old) :]
        return "\n".join(lines)

    def lines(self, source: str) -> tuple[str, str]:
        """Its whole line, before and after."""
        return source.split("\n")[self.line - 1], self.apply(source).split("\n")[self.line - 1]


def mutations(source: str) -> list[Mutation]:
    """All changes that fit a file, in the order of their places; some leave no program, see `parses`."""
    found: dict[tuple[int, int, str], Mutation] = {}
    for one in _Places(source).all():
        if one.old != one.new:
            found.setdefault((one.line, one.column, one.operator), one)
    return [found[key] for key in sorted(found)]


def mutation(source: str, line: int, column: int, operator: str) -> Mutation:
    """The change of a place.

    Raises:
        NotFound: If the operator fits nothing there: it is another file.
    """
    for one in _Places(source).all(line):
        if (one.line, one.column, one.operator) == (line, column, operator) and one.old != one.new:
            return one
    raise NotFound(f"mutation: no {operator!r} fits line {line}, column {column}: it is another file than it was")


def parses(source: str) -> bool:
    """Whether a text is a program."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


class _Places:
    """The places of one file.

    Args:
        source: Its text; only lines that end in a line feed are counted.
    """

    def __init__(self, source: str) -> None:
        self._lines = source.split("\n")
        self._tree = ast.parse(source)
        self._finders: tuple[Callable[[ast.AST], Iterator[Mutation | None]], ...] = (
            self._compared,
            self._computed,
            self._combined,
            self._conditions,
            self._constants,
            self._defaults,
            self._calls,
            self._names,
            self._statements,
            self._slices,
        )

    def all(self, line: int | None = None) -> Iterator[Mutation]:
        """Everything that fits, or what fits in the functions of one line; the text may then not parse."""
        for function in ast.walk(self._tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if line is not None and not function.lineno <= line <= (function.end_lineno or line):
                continue
            for node in ast.walk(function):
                for finder in self._finders:
                    yield from filter(None, finder(node))

    def _text(self, node: ast.AST) -> str | None:
        """A node's text where it is within one line."""
        line, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        if not line or line != end:
            return None
        raw = self._lines[line - 1].encode()
        return raw[node.col_offset : node.end_col_offset].decode()  # type: ignore[attr-defined]

    def _at(self, operator: str, node: ast.AST, new: str) -> Mutation | None:
        old = self._text(node)
        return None if old is None else Mutation(operator, node.lineno, self._column(node), old, new)  # type: ignore[attr-defined]

    def _column(self, node: ast.AST) -> int:
        return len(self._lines[node.lineno - 1].encode()[: node.col_offset].decode())  # type: ignore[attr-defined]

    def _between(self, operator: str, left: ast.expr, right: ast.expr, old: str, new: str) -> Mutation | None:
        """The replacement of an operator's sign between its operands."""
        if left.end_lineno != right.lineno:
            return None
        raw = self._lines[right.lineno - 1].encode()
        start = len(raw[: left.end_col_offset].decode())
        gap = raw[left.end_col_offset : right.col_offset].decode()
        words = r"\b{}\b" if old[0].isalpha() else "{}"
        sign = re.search(words.format(re.escape(old).replace(r"\ ", r"\s+")), gap)
        return None if sign is None else Mutation(operator, right.lineno, start + sign.start(), sign[0], new)

    def _compared(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield self._between("comparison", node.left, node.comparators[0], *_COMPARISONS[type(node.ops[0])])

    def _computed(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not _is_text(node.left):
            yield self._between("arithmetic", node.left, node.right, *_ARITHMETIC[type(node.op)])

    def _combined(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.BoolOp):
            signs = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            yield self._between("combination", node.values[0], node.values[1], *signs)

    def _conditions(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            text = self._text(node.test) or ""
            negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
            yield self._at("inverted condition", node.test, text.removeprefix("not ") if negated else f"not ({text})")
        if isinstance(node, ast.If):
            yield self._at("removed branch", node.test, "False")

    def _constants(self, node: ast.AST) -> Iterator[Mutation | None]:
        if not isinstance(node, ast.Constant):
            return
        if isinstance(node.value, bool):
            yield self._at("wrong constant", node, str(not node.value))
        elif isinstance(node.value, int):
            yield self._at("off by one", node, str(node.value + 1))
            if node.value > 0:
                yield self._at("off by one below", node, str(node.value - 1))

    def _defaults(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.arguments):
            for default in (*node.defaults, *filter(None, node.kw_defaults)):
                if isinstance(default, ast.Constant) and default.value is None:
                    yield self._at("wrong default", default, "False")
                elif isinstance(default, ast.Constant) and isinstance(default.value, str):
                    yield self._at("wrong default", default, '" "' if default.value != " " else '""')

    def _calls(self, node: ast.AST) -> Iterator[Mutation | None]:
        if not isinstance(node, ast.Call) or node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            return
        texts = [self._text(argument) for argument in node.args]
        if len(texts) >= 2 and None not in texts and node.args[0].lineno == node.args[-1].lineno == node.lineno:
            called = self._text(node.func)
            swapped = ", ".join([texts[1] or "", texts[0] or "", *(text or "" for text in texts[2:])])
            yield self._at("swapped arguments", node, f"{called}({swapped})")
        if len(texts) == 1 and isinstance(node.func, ast.Name) and texts[0]:
            yield self._at("dropped call", node, texts[0])
        if not texts and isinstance(node.func, ast.Attribute):
            yield self._at("dropped call", node, self._text(node.func.value) or "")

    def _names(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.Attribute) and node.attr in _OTHER_NAME:
            text = self._text(node)
            yield (
                None
                if text is None
                else self._at("wrong attribute", node, text.removesuffix(node.attr) + _OTHER_NAME[node.attr])
            )
        if isinstance(node, ast.Name) and node.id in _OTHER_NAME and node.id in ("min", "max", "any", "all", "sorted"):
            yield self._at("wrong function", node, _OTHER_NAME[node.id])

    def _statements(self, node: ast.AST) -> Iterator[Mutation | None]:
        calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if calls or isinstance(node, ast.AugAssign):
            yield self._at("removed statement", node, "pass")
        if isinstance(node, ast.Break | ast.Continue):
            yield self._at("wrong jump", node, "continue" if isinstance(node, ast.Break) else "break")

    def _slices(self, node: ast.AST) -> Iterator[Mutation | None]:
        if isinstance(node, ast.Slice):
            for bound in (node.lower, node.upper):
                if bound is not None and not isinstance(bound, ast.Constant):
                    yield self._at("off by one", bound, f"{self._text(bound)} + 1")


def _is_text(node: ast.expr) -> bool:
    """Whether an operand is a text that is formatted or repeated."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
