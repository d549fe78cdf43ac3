"""Small changes to a state, so that two actions that do the same by coincidence no longer do.

`cat a.txt` and `cat *.txt` show the same where there is one file; `sort` and `cat` do where the lines happen to be
sorted; `head -5` and `cat` where there are four.

Owns: which files are looked at, and the changes of a seed. Does not own: when copies are compared (`envs.base`), or a
start's own variants (`envs.terminal.origins`).

Never changed: what a session needs to go on (its start files, programs, the first line of scripts), what
only looks like text (binaries, keys, `.git`), and anything outside the task's folders.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pivotgym.envs.sandbox.contract import Sandbox
from pivotgym.envs.sandbox.effects import printable

MAX_LISTED = 1_500
"""Files and folders that are looked at, the first by path; what is shown of them fits into a command's output."""
MAX_CHANGED = 12
MAX_ADDED = 16
MAX_LINES = 5
MAX_BYTES = 256 * 1024
_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root"}
    | {"run", "sbin", "sys", "tmp", "usr", "var"}
)
"""Folders at the top that hold no task's files, unless the session works below them."""
_KEPT = re.compile(
    r"(?:^|/)(?:\.git|\.hg|\.svn|\.ssh|\.gnupg|node_modules|__pycache__|\.venv|venv)(?:/|$)"
    r"|(?:^|/)\.(?:bash|profile|zsh|inputrc|login|logout)[^/]*$"
    r"|\.(?:lock|pem|key|crt|gpg|sum)$"
)
_FIND = (
    r"command find %s -xdev \( -name .git -o -name node_modules \) -prune -o \( -type f -o -type d \)"
    r" -printf '%%y %%m %%s %%p\0' 2>/dev/null | LC_ALL=C command sort -z -k 4 | command head -z -n %d"
)
_CODE = re.compile(r"^\s*(?:def|import|from|class|if|for|fi|done|#include)\b|[{};]\s*$", re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.])\d{1,6}(?![\w.])")


@dataclass(frozen=True)
class Listed:
    """A file or folder of the state."""

    path: str
    folder: bool
    mode: int
    size: int


@dataclass(frozen=True)
class Write:
    """A file to write; `content` of `None` makes an empty folder."""

    path: str
    content: bytes | None
    mode: int = 0o644


def perturb(sandbox: Sandbox, roots: Sequence[str], seed: int) -> bool:
    """Change a sandbox's files; the same changes for equal states and seeds.

    Args:
        sandbox: A sandbox whose state nobody else uses.
        roots: Folders that hold the task's files; the shell's working directory counts too.
        seed: Which changes.

    Returns:
        Whether there was anything to change.
    """
    listed = listing(sandbox, looked_at(roots, sandbox.shell().cwd))
    writes = plan(listed, sandbox.read, seed)
    for write in writes:
        if write.content is None:
            sandbox.run(f"command mkdir -p -- {shlex.quote(write.path)}")
        else:
            sandbox.write(write.path, write.content, mode=write.mode)
    return bool(writes)


def looked_at(roots: Iterable[str], cwd: str) -> list[str]:
    """The folders to look at: roots and working directory without what holds the system, none inside another."""
    found: list[str] = []
    for path in sorted({*roots, cwd}, key=lambda one: (one.count("/"), one)):
        top = path.split("/")[1] if path != "/" else ""
        if path == "/" or (top in _SYSTEM and path == f"/{top}" and path not in ("/root", "/opt", "/tmp")):
            continue
        if not any(path == one or path.startswith(one + "/") for one in found):
            found.append(path)
    return found


def listing(sandbox: Sandbox, folders: Sequence[str]) -> list[Listed]:
    """Files and folders below some folders, sorted by path; none where they cannot be listed."""
    if not folders:
        return []
    ran = sandbox.run(_FIND % (shlex.join(folders), MAX_LISTED))
    found = []
    for record in ran.stdout.split(b"\0")[:-1]:
        parts = record.split(b" ", 3)
        if len(parts) == 4 and parts[1].isdigit() and parts[2].isdigit():
            path = parts[3].decode("utf-8", "surrogateescape")
            found.append(Listed(path, parts[0] == b"d", int(parts[1], 8), int(parts[2])))
    return found


def plan(listed: Sequence[Listed], read: Callable[[str], bytes | None], seed: int) -> list[Write]:
    """The changes of a seed: values changed in text files, files beside others of their kind, an empty folder.

    Args:
        listed: The state's files and folders.
        read: Reads a file.
        seed: 1 and up.
    """
    random = Random(f"pivotgym perturbation {seed}")
    texts = {}
    for one in _drawn(random, [one for one in listed if _may_change(one)], MAX_CHANGED):
        text = _text_of(read(one.path))
        if text is not None:
            texts[one] = text
    taken = {one.path for one in listed}
    found = []
    for one, text in texts.items():
        other = _changed(random, text)
        if other != text:
            found.append(Write(one.path, other.encode(), one.mode))
    return [*found, *_added(random, listed, texts, taken), *_empty_folder(random, listed, taken)]


def _may_change(one: Listed) -> bool:
    return not one.folder and one.size <= MAX_BYTES and not _KEPT.search(one.path) and printable(one.path) == one.path


def _drawn(random: Random, found: list[Listed], most: int) -> list[Listed]:
    return sorted(random.sample(found, most), key=lambda one: one.path) if len(found) > most else found


def _text_of(content: bytes | None) -> str | None:
    try:
        text = None if content is None or b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None
    return text


def _changed(random: Random, text: str) -> str:
    """A text with a number changed, two lines swapped, and some lines said again; code and structure stay readable."""
    if not text.strip():
        return text
    lines = text.splitlines(keepends=True)
    first = 1 if lines[0].startswith("#!") or len(lines) > 2 else 0
    if _is_structured(text):
        return _other_numbers(random, text)
    body = lines[first:]
    if len(body) > 1:
        place = random.randrange(len(body) - 1)
        body[place], body[place + 1] = _ended(body[place + 1]), _ended(body[place])
    for _ in range(random.randint(1, MAX_LINES) if body else 0):  # not as many in each file: counts must differ, too
        body.insert(random.randrange(len(body) + 1), _other_numbers(random, _ended(random.choice(body))))
    return "".join([*map(_ended, lines[:first]), *body])


def _is_structured(text: str) -> bool:
    """Whether the order of lines means something to a program: JSON, XML, scripts and other code."""
    return text.lstrip()[:1] in "{[<" or text.startswith("#!") or _CODE.search(text) is not None


def _other_numbers(random: Random, text: str) -> str:
    """A text with one of its numbers, if it has any, made another."""
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return text
    one = random.choice(numbers)
    return text[: one.start()] + str(int(one[0]) + random.randint(1, 8)) + text[one.end() :]


def _ended(line: str) -> str:
    return line if line.endswith("\n") else line + "\n"


def _added(random: Random, listed: Sequence[Listed], texts: Mapping[Listed, str], taken: set[str]) -> list[Write]:
    """Files beside others: of the same kind by name, hidden ones, and in sub-folders."""
    found: list[Write] = []
    for one, text in texts.items():
        if len(found) >= MAX_ADDED or (len(texts) > 4 and random.random() < 0.4):
            continue
        folder, name = posixpath.split(one.path)
        stem, ending = posixpath.splitext(name)
        path = f"{folder}/{stem}{random.randint(2, 99)}{ending}"
        if path not in taken:
            taken.add(path)
            found.append(Write(path, _changed(random, text).encode(), one.mode))
    folders = [one.path for one in listed if one.folder and not _KEPT.search(one.path)]
    for folder in random.sample(folders, min(3, len(folders))):
        note = Write(
            f"{folder}/.note{random.randint(2, 99)}", f"{random.choice(_WORDS)} {random.randint(1, 99)}\n".encode()
        )
        found += [one for one in (note, _moved(random, folder, texts)) if one.path not in taken]
    return found


def _moved(random: Random, folder: str, texts: Mapping[Listed, str]) -> Write:
    """A file in a folder that tells what one elsewhere tells: who looks in one place only does not find it."""
    name = f"{folder}/extra{random.randint(2, 99)}"
    if not texts:
        return Write(f"{name}.txt", f"{random.choice(_WORDS)}\n".encode())
    one = random.choice(sorted(texts, key=lambda listed: listed.path))
    return Write(name + posixpath.splitext(one.path)[1], texts[one].encode(), one.mode)


def _empty_folder(random: Random, listed: Sequence[Listed], taken: set[str]) -> list[Write]:
    folders = [one.path for one in listed if one.folder and not _KEPT.search(one.path)]
    if not folders:
        return []
    path = f"{random.choice(folders)}/more{random.randint(2, 99)}"
    return [] if path in taken else [Write(path, None)]


_WORDS = ("alpha", "north", "green", "seven", "paper", "river")
