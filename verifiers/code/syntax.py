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

Reader = Callable[[str], Any]


class _Broken(Exception):
    """The text is not of its language."""


def same_syntax(path: str, one: str, other: str) -> bool | None:
    r"""Whether two texts of a file have the same syntax tree, or the same value.

    Args:
        path: Its name, which tells the language.
        one: A text.
        other: Another.

    Returns:
        `None` where that cannot be said: no parser for the language, or neither text is correct. `False` also where
        only one of them is.

    Raises:
        MissingDependency: If the language's grammar is not installed.

    >>> same_syntax("a.py", "x = (1)  # one\n", "x = 1\n"), same_syntax("a.py", "x = 1", "x = 2")
    (True, False)
    """
    reader = _reader(path)
    if reader is None or max(len(one), len(other)) > _LARGEST:
        return None
    trees = [_tree(reader, text) for text in (one, other)]
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
        "toml": lambda text: _value(tomllib.loads(text)),
        "yaml": _yaml,
        "yml": _yaml,
    }
    if ending in plain:
        return plain[ending]
    return (lambda text: _leaves_of(ending, text)) if ending in _GRAMMARS else None


@lru_cache(maxsize=64)
def _python(text: str) -> str:
    """Digest of the tree; kept, as one expert's text is compared with that of many candidates."""
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


def _yaml(text: str) -> Any:
    return [_value(document) for document in yaml.safe_load_all(text)]


def _value(value: Any) -> Any:
    """A value in which `1`, `1.0` and `true` differ and the order of keys does not count."""
    if isinstance(value, dict):
        return {
            "dict": sorted(((repr(_value(key)), _value(item)) for key, item in value.items()), key=lambda one: one[0])
        }
    if isinstance(value, list):
        return [_value(item) for item in value]
    return type(value).__name__, repr(value)


def _leaves_of(ending: str, text: str) -> list[tuple[str, bytes]]:
    root = _parser(ending)(text.encode("utf-8", "surrogateescape"))
    if root.has_error:
        raise _Broken
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
