"""Whether the order of a command's output lines was asked for.

Owns: which programs list in no order of their own, which filters keep it so, and what asks for an order. Does not own:
comparing outputs (`verifiers.shell.output`).

The lines of a walk through a tree, of a directory or of the environment come as they lie there: nobody asked for that
order, so it is no information. `sort`, `head`, `tail`, `tac`, `ls -t` and whatever shows the content of a file ask for
one. What is not known asks for one too.
"""

from __future__ import annotations

import re
from enum import Enum

from pivotgym.verifiers.shell.parse import Block, Command, parse


class Order(Enum):
    """What the order of the lines means: `NONE` nothing, `NAMES` no more than the alphabet, `ASKED` anything else."""

    NONE = 0
    NAMES = 1
    ASKED = 2


_WALKS = frozenset(
    {
        "find",
        "fd",
        "fdfind",
        "locate",
        "rg",
        "ag",
        "ack",
        "env",
        "printenv",
        "du",
        "compgen",
    }
)
"""Programs whose lines come in no order of their own."""
_FILTERS = frozenset(
    {
        "grep",
        "egrep",
        "fgrep",
        "cut",
        "tr",
        "tee",
        "column",
        "cat",
    }
)
"""Programs that, fed with lines, give for each line something in the same place."""
_PER_FILE = frozenset(
    {
        "basename",
        "cksum",
        "dirname",
        "du",
        "egrep",
        "fgrep",
        "file",
        "grep",
        "ls",
        "md5sum",
        "readlink",
        "realpath",
        "rg",
        "sha1sum",
        "sha256sum",
        "stat",
        "wc",
    }
)
"""Programs that, given files, tell of each in a line of its own, or with its name in each line."""
_SILENT = frozenset(
    {
        "cd",
        "pushd",
        "popd",
        "export",
        "set",
        "unset",
        "shopt",
        "mkdir",
        "touch",
        "chmod",
        "chown",
        "true",
        ":",
        "umask",
        "rm",
        "cp",
        "mv",
    }
)
_LS_ORDERS = re.compile(r"^-[A-Za-z]*[tSXUrvcufR]|^--(?:sort|time|reverse|recursive)")
"""Flags of `ls` that ask for an order, or group lines under headings."""
_SED_PLAIN = re.compile(r"^(?:s([^\w\s\\])(?:(?!\1)[^\\]|\\.)*\1(?:(?!\1)[^\\]|\\.)*\1[gIi]*|/[^/]*/d)$")
_GREP_PLACES = re.compile(r"-[A-Za-z]*[mABC]\d*$|--(?:max-count|context|after|before|sort)|-\d+$")
_AWK_PLAIN = re.compile(r"^\s*(?:/[^/]*/)?\s*\{\s*print\s+[$\w\s,\"./:-]*\}\s*$")


def order_of(command: str) -> Order:
    """What the order of a command's output lines means.

    >>> order_of("cd a && find . -name '*.py'"), order_of("ls a | sort"), order_of("ls -t")
    (<Order.NONE: 0>, <Order.NAMES: 1>, <Order.ASKED: 2>)
    """
    script = parse(command)
    speaking = [step for step in script or () if not _is_silent(step.stages)]
    if len(speaking) != 1:
        return Order.ASKED
    order = Order.ASKED
    for place, stage in enumerate(speaking[0].stages):
        order = Order.ASKED if isinstance(stage, Block) else _after(stage, place, order)
    return order


def _is_silent(stages: tuple[Command | Block, ...]) -> bool:
    """Whether a step prints nothing."""
    end = stages[-1]
    if isinstance(end, Block):
        return False
    return end.program in _SILENT or not end.words or any(one.operator in (">", ">>", "&>") for one in end.redirects)


def _after(command: Command, place: int, before: Order) -> Order:
    """The order of a command's output, given its place in the pipeline and the order of its input."""
    words = [word.text for word in command.arguments]
    if command.program == "sort":
        return Order.NAMES if set(words) <= {"-u", "--unique"} and place else Order.ASKED
    if place == 0 or command.program in _WALKS:
        return _of_source(command.program, words)
    if command.program == "xargs":
        return before if _per_file(words) else Order.ASKED
    if command.program in _FILTERS and not _by_place(command.program, words):
        return before
    if command.program == "sed" and len(words) <= 2 and words and _SED_PLAIN.match(words[-1]):
        return before if len(words) == 1 or words[0] in ("-E", "-r", "-e") else Order.ASKED
    if command.program in ("awk", "gawk", "mawk") and len(words) == 1 and _AWK_PLAIN.match(words[0]):
        return before
    return Order.ASKED


def _of_source(program: str, words: list[str]) -> Order:
    if program == "ls":
        several = sum(not word.startswith("-") for word in words) > 1
        return Order.ASKED if several or any(_LS_ORDERS.match(word) for word in words) else Order.NAMES
    if program in ("grep", "egrep", "fgrep"):
        return Order.NONE if _recursive(words) and not _by_place(program, words) else Order.ASKED
    if program == "find":
        runs = [place for place, word in enumerate(words) if word in ("-exec", "-execdir", "-ok")]
        plain = "-quit" not in words and all(_per_file(words[place + 1 :]) for place in runs)
        return Order.NONE if plain else Order.ASKED
    return Order.NONE if program in _WALKS and not _by_place(program, words) else Order.ASKED


def _per_file(words: list[str]) -> bool:
    """Whether what is run on each file tells of it in lines that stand for themselves."""
    program = next((word for word in words if not word.startswith("-") and not word.isdigit()), "")
    own = words[words.index(program) + 1 :] if program else []
    return (
        program.rpartition("/")[2] in _PER_FILE and not _by_place(program, own) and not any(map(_LS_ORDERS.match, own))
    )


def _recursive(words: list[str]) -> bool:
    return any(re.match(r"-[A-Za-z]*[rR]|--(?:dereference-)?recursive$", word) for word in words)


def _by_place(program: str, words: list[str]) -> bool:
    """Whether a filter goes by the place of lines: stops after some, shows those around, or numbers them."""
    if program == "cat":
        return any(word.startswith("-") for word in words)
    if program not in ("grep", "egrep", "fgrep", "rg", "ag"):
        return any(word.startswith("--sort") for word in words)
    return any(_GREP_PLACES.match(word) for word in words)
