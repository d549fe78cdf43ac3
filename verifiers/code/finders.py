"""Command lines of `find` and `ls` as searches for files.

Owns: which of their options are read. Does not own: pipelines (`verifiers.code.commands`).
"""

from __future__ import annotations

import re

from pivotgym.verifiers.code.operations import Find
from pivotgym.verifiers.code.options import read_options

_TESTS = {"-name", "-iname", "-path", "-ipath", "-wholename", "-type", "-maxdepth"}


def find_of(words: list[str]) -> Find | None:
    """A command line of `find` that lists by name, path, type and depth; `None` for any other."""
    where: list[str] = []
    left = list(words)
    while left and not left[0].startswith(("-", "(", "!")):
        where.append(left.pop(0))
    if left and left[-1] == "-print":
        left.pop()
    given = dict(zip(left[::2], left[1::2], strict=False))
    names = [given[test] for test in ("-name", "-iname", "-path", "-ipath", "-wholename") if test in given]
    depth = given.get("-maxdepth", "")
    if len(left) % 2 or len(given) * 2 != len(left) or not given.keys() <= _TESTS or len(names) > 1:
        return None
    if ("-maxdepth" in given and not re.fullmatch(r"[0-9]{1,9}", depth)) or given.get("-type", "f") not in ("f", "d"):
        return None
    flags = {"ignore-case"} if {"-iname", "-ipath"} & given.keys() else set()
    flags |= {"path"} if {"-path", "-ipath", "-wholename"} & given.keys() else set()
    return Find(
        where=tuple(where),
        names=tuple(names),
        type=given.get("-type", ""),
        depth=int(depth) if depth else None,
        flags=tuple(sorted({*flags, "hidden"})),
    )


def ls_of(words: list[str]) -> Find | None:
    """A command line of `ls` that shows names, or with the flag `long` more about each; `None` for any other."""
    flags = {
        "-1": "",
        "-a": "hidden",
        "-A": "hidden",
        "-R": "recursive",
        "-F": "marks",
        "-p": "marks",
        "-C": "",
        "-l": "long",
        "-h": "human",
    }
    options = read_options(words, flags=flags)
    if options is None:
        return None
    # How sizes are written counts only where they are.
    unsaid = {"recursive"} if "long" in options.flags else {"recursive", "human"}
    return Find(
        where=tuple(options.operands),
        depth=None if "recursive" in options.flags else 1,
        flags=tuple(sorted({"listing", *options.flags} - unsaid)),
    )
