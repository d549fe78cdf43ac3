"""What a task's tests stand on, put back as the image has it, so that an agent cannot pass them by replacing it.

Owns: which changed paths count as tests' own tools, and mending them. Does not own: running tests (`outcome`).

Tests run in the machine the agent has left, with its shell, its Python and its pytest. Put back are: programs and
libraries the image came with; taken away are: programs with the names that test scripts call, test runners' packages
and plugins, code that Python runs at its start, settings of pytest above the tests' folder, and settings of pip, uv and
the loader. Deleting a tool is the agent's own loss, and what is installed beside it stays. A task whose point is to
mend such programs says so in `task.toml`: `[metadata.pivotgym]` with `repairs_tools = true`.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping

from pivotgym.envs.sandbox.contract import Change, Changes, Entry, Sandbox

TESTS = "/tests"
_SYSTEM = re.compile(r"/(usr/(local/)?)?(s?bin|lib|lib32|lib64|libexec)/")
_BINARIES = re.compile(r"/(usr/(local/)?)?s?bin")
_PROGRAMS = re.compile(
    r"(ba|da|z|k)?sh|env|busybox|python[\d.]*|pip[\d.]*|pytest|py\.test|uvx?|pipx|coverage|tox|node|npx?|make"
    r"|cat|echo|printf|test|\[|true|false|cp|mv|ln|rm|mkdir|touch|chmod|grep|[mg]?awk|sed|diff|cmp|head|tail|sort|uniq|wc|cut"
    r"|tr|tee|find|xargs|timeout|sleep|stat|ls|sha\d+sum|md5sum|curl|wget|tar|g?unzip|gzip|apt(-get)?|apk|dpkg|id|whoami"
)
_RUNNERS = re.compile(r"(_?pytest|pluggy|iniconfig|sitecustomize|usercustomize)([-.].*)?")
_RUNNER_FILES = re.compile(r"/(site|dist)-packages/(_?pytest|pluggy|iniconfig|sitecustomize|usercustomize)\b")
_PLACES = re.compile(r"/(site|dist)-packages/[^/]+$|/python3[\d.]*/[^/]+$")
_AT_TOP = frozenset({"conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"})
_SETTINGS = re.compile(
    r"/etc/(ld\.so\.preload|pip\.conf|environment)|.*/(\.pip|\.config/(pip|uv|pytest)|\.cache/(pip|uv))(/.*)?"
    r"|.*/\.(curlrc|wgetrc|pydistutils\.cfg|bash_env)|.*/\.local/bin/(env|uvx?|pytest)"
)


def tampered(changes: Changes, cwd: str, programs: str = "") -> dict[str, Change]:
    """The changes that touch what tests stand on.

    Args:
        changes: All changes since the image.
        cwd: Where the tests run.
        programs: The `PATH` with which they run.
    """
    folders = frozenset(filter(None, programs.split(":")))
    return {
        path: change
        for path, change in changes.items()
        if change.after is not None
        and (_shipped(path, change, folders) if change.before is not None else _added(path, cwd, folders))
    }


def _shipped(path: str, change: Change, programs: frozenset[str]) -> bool:
    """Whether a path that the image has, and that is another now, is a tool."""
    if change.before is None or change.after is None:
        return False
    # A folder's mode or owner is no tool.
    differs = (change.before.kind, change.before.digest) != (change.after.kind, change.after.digest)
    return differs and (
        _SYSTEM.match(f"{path}/") is not None
        or posixpath.dirname(path) in programs
        or _RUNNER_FILES.search(path) is not None
        or _SETTINGS.fullmatch(path) is not None
    )


def _added(path: str, cwd: str, programs: frozenset[str]) -> bool:
    """Whether a path that the image has not stands where tests would find it in place of a tool."""
    folder, name = posixpath.split(path)
    packages = _PLACES.search(path) is not None
    return (
        ((folder in programs or _BINARIES.fullmatch(folder) is not None) and _PROGRAMS.fullmatch(name) is not None)
        or ((packages or folder == cwd) and _RUNNERS.fullmatch(name) is not None)
        or (packages and name.endswith(".pth"))
        or (name == "entry_points.txt" and folder.endswith("-info"))
        or (folder == "/" and name in _AT_TOP)
        or path == TESTS
        or _SETTINGS.fullmatch(path) is not None
    )


def mend(machine: Sandbox, pristine: Sandbox, found: Mapping[str, Change]) -> None:
    """Put back what was replaced, and take away what was added.

    Contents come first and from outside, so that the programs which do the rest are the image's own.

    Args:
        machine: What the agent left, to be mended.
        pristine: The image as it is.
        found: What `tampered` found.

    Raises:
        WorldFailed: If a sandbox breaks.
    """
    for path, change in found.items():
        if change.before is not None and change.before.kind == "file" and not _link(change.after):
            machine.write(path, pristine.read(path) or b"", mode=change.before.mode)
    gone = [path for path, change in found.items() if change.before is None and not _harmless(machine, path)]
    links = [
        (path, change.before.digest)
        for path, change in found.items()
        if change.before is not None and change.before.kind == "link"
    ]
    hidden = [path for path, change in found.items() if change.before is not None and _link(change.after)]
    lines = ["unset -f rm ln 2>/dev/null", *(f"rm -rf -- {shlex.quote(path)}" for path in (*gone, *hidden))]
    lines += [f"ln -sfn -- {shlex.quote(target)} {shlex.quote(path)}" for path, target in links]
    if gone or links or hidden:
        machine.run("\n".join(lines))
    for path in hidden:
        before = found[path].before
        if before is not None and before.kind == "file":
            machine.write(path, pristine.read(path) or b"", mode=before.mode)


def _link(entry: Entry | None) -> bool:
    return entry is not None and entry.kind == "link"


def _harmless(machine: Sandbox, path: str) -> bool:
    """Whether an added file of Python's is one that installing a package leaves and that runs nothing."""
    if path.endswith(".pth"):
        return not any(line.lstrip().startswith("import") for line in _lines(machine.read(path)))
    if path.endswith("entry_points.txt"):
        return not any("pytest11" in line for line in _lines(machine.read(path)))
    return False


def _lines(content: bytes | None) -> Iterable[str]:
    return (content or b"").decode(errors="replace").splitlines()
