"""An agent's tools at work in a sandbox: views, searches, lists and edits that are no shell commands.

Owns: running one operation and what the policy sees of it. Does not own: which call is which operation
(`operations.read`), the pure functions of editors (`operations.edits`, `shown`, `window`), shell commands (`world`).

Files are read from outside; what an edit writes is written by the session's user, so that owners and modes stay.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pivotgym.core.errors import InputError
from pivotgym.envs.sandbox.contract import Ran, Sandbox
from pivotgym.envs.sandbox.effects import shown as as_text
from pivotgym.envs.sandbox.shell.quoting import own_shell, quote
from pivotgym.envs.swe import memory
from pivotgym.envs.swe.operations.edits import OPENHANDS, SWE_AGENT, Edited, edited
from pivotgym.envs.swe.operations.shown import told, viewed, window_text
from pivotgym.envs.swe.operations.window import Window, moved, resolved
from pivotgym.verifiers.code.operations import (
    EDITS,
    Create,
    Find,
    Move,
    Operation,
    Patch,
    Search,
    Submit,
    Undo,
    View,
    to_json,
)
from pivotgym.verifiers.code.patches import Refused, patched, paths_of
from pivotgym.verifiers.code.paths import plain

LIMIT_S = 30.0
MAX_FILE = 10 * 2**20
"""Characters of a file that editors open."""
MAX_SHOWN = 100_000
"""Characters of a view; longer ones are cut."""
_LOOKED_AT, _NO_FOLDER, _GREP_REFUSES = 8192, 99, 2
_PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYNTAX = {"basic": "-G", "extended": "-E", "fixed": "-F", "perl": "-P"}
_FLAGS = {"ignore-case": "-i", "word": "-w", "line": "-x", "invert": "-v", "only-matching": "-o"}
Reached: TypeAlias = list[list[Any]]


@dataclass(frozen=True)
class Told:
    """What a tool said.

    Attributes:
        operation: What was done, with the file and lines that the call left to the tool's memory.
        text: What the policy sees.
        failed: Whether the tool refused.
        reached: [file, line number or `None`, text] of each line, where the text alone does not tell.
    """

    operation: Operation
    text: str
    failed: bool = False
    reached: Reached | None = None

    def record(self) -> dict[str, Any]:
        """As `Effects.detail["operations"]` has it."""
        found: dict[str, Any] = {"operation": to_json(self.operation), "output": self.text, "failed": self.failed}
        return found if self.reached is None else {**found, "reached": self.reached}


class Tools:
    """The tools of one harness in one sandbox.

    Args:
        sandbox: Where they work.
        harness: Whose they are; "" for OpenHands' editor and plain listings.
        cwd: Where relative paths start.
        root: The repository's folder.
    """

    def __init__(self, sandbox: Sandbox, harness: str, cwd: str, root: str) -> None:
        self._sandbox, self._harness, self._cwd, self._root = sandbox, harness, cwd, root
        self._memory = memory.load(sandbox.read)

    def do(self, operation: Operation) -> Told:
        """Do one operation; a refusal is told, never raised. Bytes that are no UTF-8 are told as U+FFFD."""
        told = self._do(operation)
        reached = None if told.reached is None else [[_plain(one) for one in line] for line in told.reached]
        return replace(told, text=_plain(told.text), reached=reached)

    def _do(self, operation: Operation) -> Told:
        if isinstance(operation, Submit):
            return Told(operation, "")
        if isinstance(operation, Patch):
            return self._patch(operation)
        if self._harness == SWE_AGENT and _of_window(operation):
            return self._in_window(operation)
        if isinstance(operation, View):
            return self._view(operation)
        if isinstance(operation, Search):
            return self._search(operation)
        if isinstance(operation, Find):
            return self._find(operation)
        if isinstance(operation, EDITS):
            return self._edit(operation, OPENHANDS if self._harness in ("", SWE_AGENT) else self._harness)
        return Told(operation, "Your thought has been logged.\n")

    def _path(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._cwd, path))

    def _text(self, path: str) -> str | None:
        content = self._sandbox.read(self._path(path))
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def _refused(self, operation: Operation, refusal: Refused) -> Told:
        text = f"ERROR:\n{refusal.message}\n" if self._harness in ("", OPENHANDS) else f"{refusal.message}\n"
        return Told(operation, text, failed=True)

    def _view(self, operation: View) -> Told:
        path = operation.paths[0]
        if self._harness == OPENHANDS and not path.startswith("/"):
            suggested = self._path(path)
            reason = f"The path should be an absolute path, starting with `/`. Maybe you meant {suggested}?"
            return self._refused(operation, Refused(f"Invalid `path` parameter: {path}. {reason}"))
        text = self._text(path)
        if text is None:
            return self._folder(operation)
        shown = _unreadable(path, text) or viewed(path, text, operation.spans[0])
        return self._refused(operation, shown) if isinstance(shown, Refused) else Told(operation, clipped(shown))

    def _folder(self, operation: View) -> Told:
        path = operation.paths[0]
        place = self._path(path)
        found = f"find -L {quote(place)} -mindepth 1 -maxdepth 2 -name '.*' -prune -o -print 2>/dev/null"
        ran = self._beside(f"[ -d {quote(place)} ] || exit {_NO_FOLDER}; {found}")
        if ran.exit == _NO_FOLDER:
            missing = f"Invalid `path` parameter: {path}. The path {path} does not exist. Please provide a valid path."
            return self._refused(operation, Refused(missing))
        listed = [place, *as_text(ran.stdout).splitlines()]
        head = f"Here's the files and directories up to 2 levels deep in {path}, excluding hidden items:\n"
        return Told(operation, head + "".join(f"{line}\n" for line in sorted(listed)))

    def _search(self, search: Search) -> Told:
        where = [self._path(path) for path in search.where] or [self._cwd]
        options = ["-I", "-H", "-s", _SYNTAX[search.syntax], *(_FLAGS[flag] for flag in search.flags if flag in _FLAGS)]
        options += ["-r", "--exclude-dir=.git"] if search.recursive else []
        options += [f"--include={name}" for name in search.only]
        options += [f"--exclude={name}" for name in search.skipped]
        options.append({"lines": "-n", "files": "-l", "counts": "-c"}[search.reports])
        ran = self._beside(shlex.join(["grep", *options, "-Z", "-e", search.pattern, "--", *where]))
        if ran.exit == _GREP_REFUSES and ran.stderr:
            return self._refused(search, Refused(_said(ran.stderr)))
        lines = (self._found(line, search) for line in as_text(ran.stdout).splitlines())
        found = sorted(filter(None, lines), key=lambda one: (one[0], one[1] or 0))
        if search.limit is not None:
            found = found[: search.limit]
        return Told(search, self._found_text(search, found), reached=found)

    def _found(self, line: str, search: Search) -> list[Any] | None:
        path, _, rest = line.partition("\0")
        file = plain(path, self._root)
        if search.reports == "files":
            return [file, None, ""]
        if search.reports == "counts":
            return None if rest == "0" else [file, None, rest]
        number, _, text = rest.partition(":")
        return [file, int(number), text] if number.isdigit() else None

    def _found_text(self, search: Search, found: Reached) -> str:
        where = search.where[0] if search.where else self._cwd
        if not found:
            return f'No matches found for "{search.pattern}" in {where}\n'
        texts = {
            "files": [file for file, _, _ in found],
            "counts": [f"{file} ({count} matches)" for file, _, count in found],
            "lines": [f"{file}:{number}:{text}" for file, number, text in found],
        }[search.reports]
        if self._harness == SWE_AGENT:
            head = f'Found matches for "{search.pattern}" in {where}:'
            texts = [head, *texts, f'End of matches for "{search.pattern}" in {where}']
        return "".join(f"{text}\n" for text in texts)

    def _find(self, find: Find) -> Told:
        where = [self._path(path) for path in find.where] or [self._cwd]
        words = ["find", *where, "-mindepth", "1", *(["-maxdepth", str(find.depth)] if find.depth else [])]
        words += ["-name", ".git", "-prune", "-o"]
        words += ["-type", find.type] if find.type else []
        test = "-path" if "path" in find.flags else "-name"
        names = [f"*/{name}" if "path" in find.flags else name for name in find.names]
        words += ["(", *[word for name in names for word in ("-o", test, name)][1:], ")"] if names else []
        found = sorted(plain(line, self._root) for line in self._lines([*words, "-print"]))
        text = "".join(f"{name}\n" for name in found) or "No files found\n"
        return Told(find, text, reached=[[name, None, ""] for name in found])

    def _lines(self, words: Sequence[str]) -> list[str]:
        """The lines that a program prints, run beside the session."""
        return as_text(self._beside(f"{shlex.join(words)} 2>/dev/null").stdout).splitlines()

    def _beside(self, command: str, stdin: bytes = b"") -> Ran:
        """Run a command in a shell that knows nothing of the session's functions, aliases and variables."""
        text = own_shell(command, cwd="/", environment={"PATH": _PROGRAMS, "LC_ALL": "C.UTF-8"})
        return self._sandbox.run(text, timeout_s=LIMIT_S, stdin=stdin)

    def _edit(self, operation: Any, harness: str) -> Told:
        path = self._path(operation.path)
        before = self._text(path)
        stack = self._memory.undos.get(path, ())
        refused = None if before is None else _unreadable(operation.path, before)
        result = refused or edited(operation, before, harness=harness, previous=stack[-1] if stack else None)
        if isinstance(result, Edited):
            result = self._write(path, result.text) or result
        if isinstance(result, Refused):
            return self._refused(operation, result)
        undone = isinstance(operation, Undo)
        self._remember(self._memory.undone(path) if undone else self._memory.edited(path, before))
        if harness == OPENHANDS:
            return Told(operation, told(operation, before, result.text))
        return Told(operation, f"The file {operation.path} has been updated.\n")

    def _write(self, path: str, text: str) -> Refused | None:
        folder, place = quote(posixpath.dirname(path)), quote(path)
        # A pipe that nobody reads would be waited for.
        written = f"if [ -p {place} ]; then echo 'it is a pipe' >&2; false; else cat > {place}; fi"
        command = f"umask 022; mkdir -p -- {folder} && {written}"
        ran = self._beside(command, text.encode("utf-8", "surrogateescape"))
        said = "" if ran.exit == 0 else _said(ran.stderr)
        return None if ran.exit == 0 else Refused(f"Ran into an error while trying to write to {path[:500]}: {said}")

    def _remember(self, kept: memory.Memory) -> None:
        self._memory = kept
        with suppress(InputError):  # the policy put something else there: its tools forget
            self._sandbox.write(memory.PATH, memory.dump(kept), mode=0o600)

    def _patch(self, operation: Patch) -> Told:
        paths = paths_of(operation.text)
        after = patched(operation.text, {path: self._text(path) for path in paths})
        if isinstance(after, Refused):
            return self._refused(operation, after)
        for path, text in after.items():
            place = self._path(path)
            if text is None:
                self._lines(["rm", "-f", "--", place])
            elif (refusal := self._write(place, text)) is not None:
                return self._refused(operation, refusal)
        listed = "".join(f"{'D' if text is None else 'M'} {path}\n" for path, text in after.items())
        return Told(operation, f"Success. Updated the following files:\n{listed}")

    def _in_window(self, operation: Operation) -> Told:
        """SWE-agent's tools: they work on the open file, and show the window after."""
        window = self._memory.window
        if isinstance(operation, Move):
            return self._move(operation, window)
        text = (self._text(window.path) if window.path else None) or ""
        meant = resolved(operation, window, len(text.splitlines()))
        if isinstance(meant, Refused):
            return self._refused(operation, meant)
        if isinstance(meant, Search):
            return self._search(meant)
        return self._edit_window(meant, window)

    def _move(self, operation: Move, window: Window) -> Told:
        if operation.to == "open" and operation.path is not None:
            operation = replace(operation, path=self._path(operation.path))
        path = operation.path if operation.path is not None else window.path
        text = self._text(path) if path else ""
        if text is None:
            return self._refused(operation, Refused(f"Error: File {path} not found"))
        total = len(text.splitlines())
        after = moved(window, operation, total)
        if isinstance(after, Refused):
            return self._refused(operation, after)
        self._remember(self._memory.seen(after))
        return self._shown(View((after.path or "",), (after.span(total),)), after, text)

    def _edit_window(self, operation: Any, window: Window) -> Told:
        path = self._path(operation.path)
        before = self._text(path)
        span = window.span(len((before or "").splitlines())) if window.path == path else None
        result = edited(operation, before, harness=SWE_AGENT, window=span)
        if isinstance(result, Edited):
            result = self._write(path, result.text) or result
        if isinstance(result, Refused):
            return self._refused(operation, result)
        after = replace(window, path=path, first=1) if isinstance(operation, Create) else window
        self._remember(self._memory.edited(path, before).seen(after))
        shown = window_text(after, result.text)
        return Told(operation, f"{shown}\n" if isinstance(operation, Create) else f"Edited.\n{shown}\n")

    def _shown(self, operation: View, window: Window, text: str) -> Told:
        lines = text.splitlines()
        first, last = window.span(len(lines))
        file = plain(window.path or "", self._root)
        reached = [[file, first + place, line] for place, line in enumerate(lines[first - 1 : last])]
        return Told(operation, f"{window_text(window, text)}\n", reached=reached)


def _of_window(operation: Operation) -> bool:
    """Whether it is one of SWE-agent's own tools, not of the editor that it took over."""
    if isinstance(operation, Move):
        return True
    if isinstance(operation, Search):
        return not operation.where and not operation.recursive
    if isinstance(operation, Create):
        return operation.text == "\n"
    return isinstance(operation, EDITS) and not getattr(operation, "path", "")


def clipped(text: str) -> str:
    """What is shown of a long text: its beginning, and that there is more."""
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}\n<response clipped><NOTE>Only {MAX_SHOWN} of {len(text)} characters are shown.</NOTE>\n"


def _unreadable(path: str, text: str) -> Refused | None:
    """Why an editor does not open a file."""
    if len(text) > MAX_FILE:
        return Refused(f"File {path} is too large ({len(text) / 2**20:.1f}MB). Maximum allowed size is 10MB.")
    if "\0" in text[:_LOOKED_AT]:
        return Refused(f"File {path} appears to be binary and cannot be read or edited by this tool.")
    return None


def _plain(value: Any) -> Any:
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _said(stderr: bytes) -> str:
    return as_text(stderr).strip()[-300:]
