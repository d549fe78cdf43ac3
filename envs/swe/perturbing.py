"""Small changes to a repository's files, so that two commands that count the same by coincidence no longer do.

`wc -l < a.py` and `echo 6` tell the same where it has six lines; `grep -c` does of two patterns with as many hits.

Owns: which files are changed, and how. Does not own: when copies are compared (`Domain.doubts`).

This file is also the script that does it inside, a program of its own that needs nothing but Python: a tree has
thousands of files. Lines are said again at the end of their file, each a number of times of its own, where programs
read over them: in a string of Python, a comment of C; folders get further files. So programs still run, and what is at
a known line is still there. Never changed: `.git`, links, binaries, files whose form has no comments, such as JSON.
"""

from __future__ import annotations

import os
import random
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pivotgym.envs.sandbox.contract import Sandbox

MAX_FILES, MAX_FILE_BYTES, MAX_ADDED_BYTES, MAX_FOLDERS, MAX_TIMES = 20_000, 2**20, 2**26, 2000, 5
LIMIT_S = 60.0
_SKIPPED = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv"}
_FORMS = {
    ("r'''", "", "'''"): (".py", ".pyi", ".pyx"),
    ("/*", "", "*/"): (
        *(".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".go", ".java", ".js", ".ts", ".kt", ".rs", ".swift"),
    ),
    ("", "# ", ""): (".toml", ".yaml", ".yml", ".cfg", ".ini", ".sh", ".rb", ".pl", ".cmake"),
    ("", "", ""): (".txt", ".rst", ".md", ".csv", ".log"),
}
_FORM_OF = {ending: form for form, endings in _FORMS.items() for ending in endings}
"""What stands before, on each of, and after the lines that are added, by the ending of a file's name."""


def perturb(sandbox: Sandbox, root: str, seed: int) -> bool:
    """Change a sandbox's repository; the same changes for equal states and seeds.

    Args:
        sandbox: A sandbox whose state nobody else uses.
        root: The repository's folder.
        seed: Which changes, 1 and up.

    Returns:
        Whether all was changed; not where the machine has no Python.
    """
    script = Path(__file__).read_text(encoding="utf-8")
    path = "PATH=/usr/local/bin:/usr/bin:/bin"
    words = shlex.join(["/usr/bin/env", "-i", path, "python3", "-I", "-S", "-B", "-", root, str(seed)])
    ran = sandbox.run(f"( {words} <<'PIVOTGYM_END'\n{script}\nPIVOTGYM_END\n)", timeout_s=LIMIT_S)
    return ran.exit == 0 and ran.ended is None


def main(root: str, seed: int) -> None:
    """Change the files below a folder."""
    chance = random.Random(seed)
    left, folders = MAX_ADDED_BYTES, MAX_FOLDERS
    for names in _folders(root):
        texts = {}
        for place in names:
            text = _text(place)
            if text is None:
                continue
            texts[place] = text
            added = again(text, os.path.splitext(place)[1], chance)
            left -= len(added)
            if left < 0:
                return
            with open(place, "a", encoding="utf-8", newline="") as file:
                file.write(added)
        if texts and folders:
            folders -= 1
            _copies(texts, chance)


def again(text: str, ending: str, chance: random.Random) -> str:
    """What is added at the end of a text.

    Args:
        text: The file's.
        ending: Of its name.
        chance: Where numbers come from.
    """
    first, mark, last = _FORM_OF[ending]
    edges = [edge for edge in (first[-3:], last) if edge]
    lines = [line for line in text.splitlines() if line.strip() and not any(edge in line for edge in edges)]
    added = [f"{mark}{line}" for line in lines for _ in range(chance.randint(1, MAX_TIMES))]
    ended = "" if text.endswith("\n") or not text else "\n"
    return ended + "".join(f"{line}\n" for line in [first, *added, last] if line)


def _folders(root: str) -> Iterator[list[str]]:
    """The files of each folder that may be changed, sorted."""
    count = 0
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(set(inner) - _SKIPPED)
        found = [os.path.join(folder, name) for name in sorted(names) if os.path.splitext(name)[1] in _FORM_OF]
        count += len(found)
        if count > MAX_FILES:
            return
        yield found


def _text(place: str) -> str | None:
    try:
        if os.path.islink(place) or os.path.getsize(place) > MAX_FILE_BYTES:
            return None
        with open(place, encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text


def _copies(texts: dict[str, str], chance: random.Random) -> None:
    """Some files more in a folder, of its own kinds."""
    for place in chance.sample(sorted(texts), min(len(texts), chance.randint(1, 3))):
        stem, ending = os.path.splitext(place)
        copy = f"{stem}_again{chance.randint(2, 99)}{ending}"
        if not os.path.lexists(copy):
            with open(copy, "w", encoding="utf-8", newline="") as file:
                file.write(texts[place])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
