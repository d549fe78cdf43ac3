"""Whether two texts of one file mean the same by their syntax alone.

Owns: syntax trees without comments, docstrings and formatting; values of data files. Does not own: what files an action
changed (`verifiers.code.files`), or tests.

Python by its own parser; JSON, TOML and YAML by value; other languages by their tree-sitter grammar, where two trees
are the same when their leaves are, comments aside. Comments that compilers read (Go's directives, magic comments, a
first line `#!`) are leaves.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

import yaml

from pivotgym.core.errors import MissingDependency

_GRAMMARS = {
    "js": ("tree_sitter_javascript", "language"),
    "jsx": ("tree_sitter_javascript", "language"),
    "mjs": ("tree_sitter_javascript", "language"),
    "cjs": ("tree_sitter_javascript", "language"),
    "ts": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rs": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "h": ("tree_sitter_c", "language"),
    "rb": ("tree_sitter_ruby", "language"),
    "sh": ("tree_sitter_bash", "language"),
    "bash": ("tree_sitter_bash", "language"),
}
"""Grammar and its language, by the ending of a file's name."""
_COMMENTS = {"comment", "line_comment", "block_comment"}
_READ_BY_COMPILERS = re.compile(r"//go:|//\s*\+build|#!|#.*(?:frozen_string_literal|coding)\s*:")
_LARGEST = 1_000_000
"""Characters of a text that is parsed."""
_LARGEST_YAML = 100_000
_MOST_NODES = 200_000
"""Nodes of a tree that is compared leaf by leaf."""
_FORMATTED = re.compile(r"\b(?:f|fr|rf)[\"']", re.IGNORECASE)
_MOST_FIELDS = 2_000_000_000
"""Up to Python 3.11, parsing takes time that grows with fields of formatted strings times their length."""
_MOST_DOTS = 200
"""In a line of TOML: the time grows with the square of the parts of a dotted key."""

Reader = Callable[[str], Any]


class _Broken(Exception):
    """The text is not of its language."""


class _TooLarge(Exception):
    """Parsing the text would take too long, whether or not it is of its language."""


def same_syntax(path: str, one: str, other: str) -> bool | None:
    r"""Whether two texts of a file have the same syntax tree, or the same value.

    Args:
        path: Its name, which tells the language.
        one: A text.
        other: Another.

    Returns:
        `None` where that cannot be said: no parser for the language, one text is too large, or neither is correct.
        `False` also where only one of them is.

    Raises:
        MissingDependency: If the language's grammar is not installed.

    >>> same_syntax("a.py", "x = (1)  # one\n", "x = 1\n"), same_syntax("a.py", "x = 1", "x = 2")
    (True, False)
    """
    reader = _reader(path)
    if reader is None or max(len(one), len(other)) > _LARGEST:
        return None
    try:
        trees = [_tree(reader, text) for text in (one, other)]
    except _TooLarge:
        return None
    if None in trees:
        return None if trees == [None, None] else False
    return cast("bool", trees[0] == trees[1])


def _tree(reader: Reader, text: str) -> Any:
    try:
        return reader(text)
    except (_Broken, SyntaxError, ValueError, RecursionError, MemoryError, yaml.YAMLError):
        return None


def _reader(path: str) -> Reader | None:
    ending = path.rpartition("/")[2].rpartition(".")[2].lower()
    plain: dict[str, Reader] = {
        "py": _python,
        "pyi": _python,
        "json": lambda text: _value(json.loads(text)),
        "toml": _toml,
        "yaml": _yaml,
        "yml": _yaml,
    }
    if ending in plain:
        return plain[ending]
    return (lambda text: _leaves_of(ending, text)) if ending in _GRAMMARS else None


@lru_cache(maxsize=64)
def _python(text: str) -> str:
    """Digest of the tree; kept, as one expert's text is compared with that of many candidates."""
    if text.count("{") * len(text) > _MOST_FIELDS and _FORMATTED.search(text):
        raise _TooLarge
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
        if isinstance(node, ast.Constant):
            node.kind = None
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]


def _toml(text: str) -> str:
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise _TooLarge
    return _value(tomllib.loads(text))


def _yaml(text: str) -> str:
    if len(text) > _LARGEST_YAML:
        raise _TooLarge
    return _value(list(yaml.safe_load_all(text)))


def _value(value: Any, known: dict[int, str] | None = None) -> str:
    """Digest of a value in which `1`, `1.0` and `true` differ and the order of keys does not count.

    A value that stands in many places, as YAML's aliases make them, is read once.
    """
    known = {} if known is None else known
    if not isinstance(value, dict | list):
        return f"{type(value).__name__} {value!r}"
    if id(value) not in known:
        if isinstance(value, dict):
            parts = sorted(f"{_value(key, known)}: {_value(item, known)}" for key, item in value.items())
        else:
            parts = [_value(item, known) for item in value]
        text = f"{type(value).__name__} {len(parts)} {parts}"
        known[id(value)] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return known[id(value)]


def _leaves_of(ending: str, text: str) -> list[tuple[str, bytes]]:
    root = _parser(ending)(text.encode("utf-8", "surrogateescape"))
    if root.has_error:
        raise _Broken
    if root.descendant_count > _MOST_NODES:
        raise _TooLarge
    return list(_leaves(root))


def _leaves(root: Any) -> Iterator[tuple[str, bytes]]:
    """The leaves in order, and between them which nodes begin and end, so that equal lists are equal trees."""
    left = [root]
    while left:
        node = left.pop()
        if node is None:
            yield ")", b""
        elif node.type in _COMMENTS:
            if _READ_BY_COMPILERS.match((node.text or b"").decode("utf-8", "replace")):
                yield node.type, node.text
        elif node.child_count:
            yield f"({node.type}", b""
            left.append(None)
            left.extend(reversed(node.children))
        else:
            yield node.type, node.text


@lru_cache(maxsize=32)
def _parser(ending: str) -> Callable[[bytes], Any]:
    module, function = _GRAMMARS[ending]
    try:
        tree_sitter = importlib.import_module("tree_sitter")
        grammar = importlib.import_module(module)
    except ImportError as missing:
        raise MissingDependency(
            f"comparing .{ending} files needs the package {module.replace('_', '-')}, which is not installed",
            hint="pip install 'pivotgym[swe]'",
        ) from missing
    language = tree_sitter.Language(getattr(grammar, function)())

    def parse(source: bytes) -> Any:
        return tree_sitter.Parser(language).parse(source).root_node

    return parse
