"""What a source tree says of itself: name, version, requirements, scripts and where its modules are, read as data.

Owns: reading `pyproject.toml`, `setup.cfg` and `setup.py` without running any of them. Does not own: resolving
requirements (`wheelhouse`), or what is made of the rest (`develop`).

Of `setup.py`, the arguments of `setup(...)` count that are literals, names bound to literals at the top of the file,
and sums, `%` and f-strings of these; whatever else stands there is taken for absent.
"""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TEST_EXTRAS = ("test", "tests", "testing", "dev")
"""Extras that hold what a project's own tests need."""
Reader = Callable[[str], str | None]


@dataclass(frozen=True)
class Metadata:
    """What a tree says of itself; "" and empty where it does not.

    Attributes:
        name: The distribution's name.
        version: Its version, where it is written out.
        requires: What it needs to run, as PEP 508 requirements.
        extras: Requirements by extra.
        scripts: Console scripts: name -> `module:function`.
        folders: Folders below the tree that hold its modules; none where that is left to the usual layouts.
        version_file: Where setuptools-scm writes the version that it finds in the history; "" for nowhere.
    """

    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    version_file: str = ""

    @property
    def for_tests(self) -> tuple[str, ...]:
        """What its tests need beyond `requires`."""
        return tuple(one for extra in TEST_EXTRAS for one in self.extras.get(extra, ()))


def read_metadata(read: Reader) -> Metadata:
    """Read a tree's metadata; files that are broken count as absent.

    Args:
        read: Gives the text of a file by its path below the tree, `None` where there is none.
    """
    found = [_pyproject(read("pyproject.toml") or ""), _setup_cfg(read("setup.cfg") or "")]
    found.append(_setup_py(read("setup.py") or ""))
    scm = [one["version_file"] for one in found if one.get("version_file")]
    return Metadata(
        name=_first(found, "name", ""),
        version=_first(found, "version", ""),
        requires=_first(found, "requires", ()),
        extras=_first(found, "extras", {}),
        scripts=_first(found, "scripts", {}),
        folders=_first(found, "folders", ()),
        version_file=scm[0] if scm else "",
    )


def _first(found: Iterable[Mapping[str, Any]], name: str, default: Any) -> Any:
    return next((one[name] for one in found if one.get(name)), default)


def _pyproject(text: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
    project, tool = _table(table, "project"), _table(table, "tool")
    setuptools = _table(tool, "setuptools")
    where = _table(_table(setuptools, "packages"), "find").get("where")
    scm = _table(tool, "setuptools_scm")
    return {
        "name": _word(project.get("name")),
        "version": _word(project.get("version")),
        "requires": _words(project.get("dependencies")),
        "extras": _by_name(project.get("optional-dependencies")),
        "scripts": _texts(project.get("scripts")),
        "folders": _words(where) or _root_of(setuptools.get("package-dir")),
        "version_file": _word(scm.get("version_file") or scm.get("write_to")),
    }


def _setup_cfg(text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}

    def lines(section: str, option: str) -> tuple[str, ...]:
        value = parser.get(section, option, fallback="")
        found = (re.sub(r"(^|\s)#.*", "", line).strip() for line in value.splitlines())
        return tuple(line for line in found if line)

    version = parser.get("metadata", "version", fallback="").strip()
    extras = parser.options("options.extras_require") if parser.has_section("options.extras_require") else []
    scripts = dict(_script(line) for line in lines("options.entry_points", "console_scripts"))
    roots = dict(_script(line) for line in lines("options", "package_dir"))
    return {
        "name": parser.get("metadata", "name", fallback="").strip(),
        "version": "" if ":" in version else version,
        "requires": lines("options", "install_requires"),
        "extras": {name: lines("options.extras_require", name) for name in extras},
        "scripts": scripts,
        "folders": lines("options.packages.find", "where") or _root_of(roots),
    }


def _setup_py(text: str) -> dict[str, Any]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    names: dict[str, Any] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = _value(node.value, names)
    calls = [one for one in ast.walk(module) if isinstance(one, ast.Call) and _called(one) == "setup"]
    given = {word.arg: _value(word.value, names) for call in calls for word in call.keywords if word.arg}
    points = given.get("entry_points")
    scripts = points.get("console_scripts") if isinstance(points, dict) else None
    return {
        "name": _word(given.get("name")),
        "version": _word(given.get("version")),
        "requires": _words(given.get("install_requires")),
        "extras": _by_name(given.get("extras_require")),
        "scripts": dict(_script(line) for line in _words(scripts)),
        "folders": _root_of(given.get("package_dir")),
        "version_file": _word(_table(given, "use_scm_version").get("write_to")),
    }


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression; `None` for a part that is not known here."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(one, names) for one in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key, names): _value(value, names) for key, value in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.JoinedStr):
        parts = [_value(one.value if isinstance(one, ast.FormattedValue) else one, names) for one in node.values]
        return "".join(map(str, parts)) if None not in parts else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return _combined(node.op, _value(node.left, names), _value(node.right, names))
    return None


def _combined(operator: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(operator, ast.Add):
        both_lists = isinstance(left, list) and isinstance(right, list)
        both_texts = isinstance(left, str) and isinstance(right, str)
        return left + right if both_lists or both_texts else left if isinstance(left, list) else None
    if not isinstance(left, str) or right is None:
        return None
    try:
        return left % (tuple(right) if isinstance(right, list) else right)
    except (TypeError, ValueError):
        return None


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _table(table: Any, name: str) -> Mapping[str, Any]:
    found = table.get(name) if isinstance(table, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _by_name(value: Any) -> dict[str, tuple[str, ...]]:
    return {str(name): _words(one) for name, one in value.items()} if isinstance(value, Mapping) else {}


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): one for name, one in value.items() if isinstance(one, str)}


def _script(line: str) -> tuple[str, str]:
    name, _, target = line.partition("=")
    return name.strip(), target.strip()


def _root_of(roots: Any) -> tuple[str, ...]:
    root = roots.get("") if isinstance(roots, Mapping) else None
    return (root,) if isinstance(root, str) and root else ()
