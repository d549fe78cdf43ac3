"""What actions did to a machine, as JSON for comparators.

Owns: the form of `files` and `shell` in `Effects.detail`. Does not own: reading changes (the backend), what of them
counts (`verifiers`), or repositories (`envs.sandbox.git_probe`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pivotgym.envs.sandbox.contract import Change, Changes, Entry, Ran, ShellState
from pivotgym.verifiers.shell.archives import archive_of

MAX_TEXT = 64 * 1024
"""Bytes of a file whose text is given beside its digest."""
MAX_TEXTS = 4 * 2**20
"""Bytes of all texts of one action together; files beyond that have their digest only."""
MAX_ARCHIVE = 8 * 2**20
"""Bytes of an archive whose members are told."""
ARCHIVES = (".bz2", ".gz", ".jar", ".tar", ".tbz2", ".tgz", ".txz", ".whl", ".xz", ".zip")
"""How the names of archives end; other files are not opened to see whether they are some."""


def since(before: Changes, after: Changes) -> dict[str, Change]:
    """Changes between two moments of one sandbox, each moment given as changes from its snapshot."""
    found = {}
    for path in sorted(before.keys() | after.keys()):
        earlier, later = before.get(path), after.get(path)
        was = earlier.after if earlier is not None else (later.before if later is not None else None)
        now = later.after if later is not None else (earlier.before if earlier is not None else None)
        if was != now:
            found[path] = Change(was, now)
    return found


def files_detail(
    changes: Changes, read: Callable[[str], bytes | None], *, max_text: int = MAX_TEXT
) -> dict[str, Any]:
    """`Effects.detail["files"]`: entries before and after by path, with new texts and members of archives.

    Args:
        changes: What the action changed.
        read: Reads a file as it is after the action.
        max_text: Bytes of a file whose text is given.
    """
    left = MAX_TEXTS
    found: dict[str, Any] = {}
    for path, change in changes.items():
        after = entry_json(change.after)
        if after is not None and change.after is not None and change.after.kind == "file":
            text = _text_of(path, change.after, min(max_text, left), read)
            if text is not None:
                after["text"] = text
                left -= change.after.size
            archive = _archive_of(path, change.after, read)
            if archive is not None:
                after["archive"] = archive
        found[printable(path)] = {"before": entry_json(change.before), "after": after}
    return found


def _text_of(path: str, entry: Entry, most: int, read: Callable[[str], bytes | None]) -> str | None:
    if entry.size > most:
        return None
    content = read(path) if entry.size else b""
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None


def _archive_of(path: str, entry: Entry, read: Callable[[str], bytes | None]) -> dict[str, Any] | None:
    content = read(path) if path.endswith(ARCHIVES) and entry.size <= MAX_ARCHIVE else None
    return None if content is None else archive_of(content)


def entry_json(entry: Entry | None) -> dict[str, Any] | None:
    """An entry as JSON, without owners where root owns it."""
    if entry is None:
        return None
    found: dict[str, Any] = {"kind": entry.kind, "mode": entry.mode, "size": entry.size, "digest": entry.digest}
    if entry.uid or entry.gid:
        found["owner"] = f"{entry.uid}:{entry.gid}"
    return found


def shell_detail(shell: ShellState) -> dict[str, Any]:
    """`Effects.detail["shell"]`: working directory, umask as octal digits, exported variables."""
    environment = {printable(name): printable(value) for name, value in sorted(shell.environment.items())}
    return {"cwd": printable(shell.cwd), "umask": f"{shell.umask:04o}", "environment": environment}


def ran_json(command: str, ran: Ran) -> dict[str, Any]:
    """What a command gave, as `Effects.detail["commands"]` has it."""
    out, err = shown(ran.stdout), shown(ran.stderr)
    cut = ran.stdout_bytes > len(ran.stdout) or ran.stderr_bytes > len(ran.stderr)
    return {"command": command, "exit": ran.exit, "stdout": out, "stderr": err, "ended": ran.ended, "cut": cut}


def printable(text: str) -> str:
    """A text that any JSON reader takes: bytes that are not UTF-8 become backslash escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shown(output: bytes) -> str:
    """A command's output as text, bytes that are not UTF-8 as backslash escapes."""
    return output.decode("utf-8", "backslashreplace")
