"""Command lines of `grep` and `rg` as searches.

Owns: which of their options decide what lines are found and how they are shown. Does not own: pipelines
(`verifiers.code.commands`), outputs (`verifiers.code.lines`).
"""

from __future__ import annotations

import re
from typing import Literal

from pivotgym.verifiers.code.operations import Prefix, Search
from pivotgym.verifiers.code.options import Options, read_options

_SHARED_FLAGS = {
    "-n": "number", "--line-number": "number", "-i": "ignore-case", "--ignore-case": "ignore-case",
    "-w": "word", "--word-regexp": "word", "-x": "line", "--line-regexp": "line",
    "-v": "invert", "--invert-match": "invert", "-o": "only-matching", "--only-matching": "only-matching",
    "-l": "files", "--files-with-matches": "files", "-c": "counts", "--count": "counts",
    "-H": "named", "--with-filename": "named", "-F": "fixed", "--fixed-strings": "fixed",
    "-P": "perl",
}  # fmt: skip
_GREP_FLAGS = {
    **_SHARED_FLAGS, "-r": "recursive", "-R": "recursive", "--recursive": "recursive", "-h": "unnamed",
    "--no-filename": "unnamed", "-E": "extended", "--extended-regexp": "extended", "-G": "", "--basic-regexp": "",
    "--perl-regexp": "perl", "-s": "", "--no-messages": "", "-I": "text", "-a": "", "--text": "", "-y": "ignore-case",
    "--dereference-recursive": "recursive", "--color": "", "--colour": "",
}  # fmt: skip
_RG_FLAGS = {
    **_SHARED_FLAGS, "-I": "unnamed", "--no-filename": "unnamed", "-N": "", "--no-line-number": "", "--no-heading": "",
    "--heading": "heading", "-S": "smart-case", "-u": "all", "-uu": "all-hidden", "--hidden": "hidden",
    "--no-ignore": "all",
}  # fmt: skip
_CONTEXT = {
    "-A": "after", "--after-context": "after", "-B": "before", "--before-context": "before",
    "-C": "around", "--context": "around", "-e": "pattern", "--regexp": "pattern",
}  # fmt: skip
_GREP_VALUES = {
    **_CONTEXT, "--include": "only", "--exclude": "skipped", "--exclude-dir": "skipped", "--color": "", "--colour": "",
    "--binary-files": "",
}  # fmt: skip
_RG_VALUES = {**_CONTEXT, "-g": "glob", "--glob": "glob", "--color": "", "-t": "type", "--type": "type"}
_DECIDING = ("ignore-case", "word", "line", "invert", "only-matching", "smart-case", "all", "all-hidden", "hidden")


def grep_of(program: str, words: list[str], *, piped: bool = False) -> Search | None:
    """A command line of `grep`, `egrep` or `fgrep`; `None` where it reads its input or does something else.

    Args:
        program: Its name.
        words: Its arguments.
        piped: Whether it filters the lines of the command before, so that no operand is expected.
    """
    options = _old_context(words)
    if options is None:
        return None
    options.flags |= {"egrep": {"extended"}, "fgrep": {"fixed"}}.get(program, set())
    patterns, where = _patterns(options)
    recursive = "recursive" in options.flags
    if not patterns or (piped and (where or recursive)) or not (piped or where or recursive):
        return None
    syntax: Literal["basic", "extended", "fixed", "perl"] = "basic"
    for name in ("extended", "fixed", "perl"):
        syntax = name if name in options.flags else syntax
    named = "named" in options.flags or ((recursive or len(where) > 1) and "unnamed" not in options.flags)
    return _search("\n".join(patterns), where, syntax, options, recursive=recursive, named=named)


def rg_of(words: list[str]) -> Search | None:
    """A command line of `rg`, whose output goes to no terminal: names, no line numbers unless asked for."""
    options = read_options(words, flags=_RG_FLAGS, values=_RG_VALUES)
    if options is None or "heading" in options.flags or options.values.get("type", ["py"]) != ["py"]:
        return None
    patterns, where = _patterns(options)
    if not patterns or any(glob.startswith("!") for glob in options.values.get("glob", [])):
        return None
    options.values["only"] = options.values.pop("glob", []) + ["*.py"] * ("type" in options.values)
    if not options.flags & {"all", "all-hidden"}:
        options.flags.add("tracked")
    # A file named alone is shown without its name; whether the operand is a file the lines must tell.
    named = "unnamed" not in options.flags
    syntax: Literal["extended", "fixed"] = "fixed" if "fixed" in options.flags else "extended"
    return _search("\n".join(patterns), where, syntax, options, recursive=True, named=named)


def _old_context(words: list[str]) -> Options | None:
    """Options of `grep`; the old form `-3` is `-C 3`."""
    modern = [f"-C{word[1:]}" if re.fullmatch(r"-[0-9]+", word) else word for word in words]
    options = read_options(modern, flags=_GREP_FLAGS, values=_GREP_VALUES)
    asked = {"files", "counts"} <= options.flags if options else True
    return None if asked else options


def _patterns(options: Options) -> tuple[list[str], tuple[str, ...]]:
    given = options.values.get("pattern")
    if given:
        return given, tuple(options.operands)
    return options.operands[:1], tuple(options.operands[1:])


def _search(
    pattern: str,
    where: tuple[str, ...],
    syntax: Literal["basic", "extended", "fixed", "perl"],
    options: Options,
    *,
    recursive: bool,
    named: bool,
) -> Search | None:
    sizes = [options.values.get(name, ["0"])[-1] for name in ("before", "after", "around")]
    if not all(re.fullmatch(r"[0-9]{1,9}", size) for size in sizes):
        return None
    before, after, around = map(int, sizes)
    reports: Literal["lines", "files", "counts"] = "lines"
    shown: list[Prefix] = ["name"] if named else []
    if "files" in options.flags:
        reports, shown = "files", []
    elif "counts" in options.flags:
        reports = "counts"
    elif "number" in options.flags:
        shown.append("colon")
    return Search(
        pattern=pattern,
        where=where,
        syntax=syntax,
        recursive=recursive,
        flags=tuple(sorted(flag for flag in options.flags if flag in _DECIDING or flag == "tracked")),
        only=tuple(sorted(options.values.get("only", []))),
        skipped=tuple(sorted(options.values.get("skipped", []))),
        context=(before or around, after or around) if reports == "lines" else (0, 0),
        reports=reports,
        shown=tuple(shown),
    )
