"""What the terminal stories ask for: each thing with its wordings, its commands and its effect.

Owns: the table of errands, and drawing the operands of one. Does not own: how errands become a task (`terminal`), or
what a command really does (the sandbox).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

ROOT = "/w"
Operands = Mapping[str, str]


@dataclass
class Tree:
    """Files by path below `ROOT`, with folders and permission bits that were set.

    Attributes:
        start: What is there before the first action.
        now: What is there after the errands so far.
        fresh: Names that nothing has yet.
    """

    fresh: list[str]
    start: dict[str, str] = field(default_factory=dict)
    start_folders: list[str] = field(default_factory=list)
    now: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)

    def file(self, random: Random) -> str:
        """A file to work on: one that an earlier errand left, or a new one of three lines."""
        plain = [path for path in self.now if path not in self.modes]
        if plain and random.random() < 0.35:
            return random.choice(plain)
        path = self.fresh.pop()
        if random.random() < 0.25:
            path = f"{self.folder(random, from_start=True)}/{path}"
        words = [self.fresh.pop() for _ in range(2)]
        lines = [f"{random.choice(words)} {random.randint(1, 9)}\n" for _ in range(3)]
        self.start[path] = self.now[path] = "".join(lines)
        return path

    def folder(self, random: Random, *, from_start: bool = False, other: str = "") -> str:
        """A folder that is there, or one that was there `from_start`, before an errand could make it; not `other`."""
        usable = [path for path in self.folders if path != other and (not from_start or path in self.start_folders)]
        if usable and random.random() < 0.5:
            return random.choice(usable)
        path = self.fresh.pop()
        self.start_folders.append(path)
        self.folders.append(path)
        return path


@dataclass(frozen=True)
class Errand:
    """One thing to ask for.

    Attributes:
        wordings: How it is asked for.
        ways: Commands that do it, equal in effect.
        apply: Its effect on a tree.
        operands: What it needs: `a` a file, `b` a new name, `d` a folder, `w` a new word, `v` a word of `a`.
        looks: Commands by which an expert looks first, for what the wording does not say.
    """

    wordings: tuple[str, ...]
    ways: tuple[str, ...]
    apply: Callable[[Tree, Operands], None]
    operands: str
    looks: tuple[str, ...] = ()

    def draw(self, random: Random, tree: Tree) -> dict[str, str]:
        """Operands from a tree, which gets what they need."""
        found: dict[str, str] = {}
        for name in self.operands:
            if name == "a":
                found["a"] = tree.file(random)
            elif name == "d":
                found["d"] = tree.folder(random, other=found["a"].rpartition("/")[0])
            elif name == "v":
                found["v"] = random.choice(tree.now[found["a"]].split())
            else:
                found[name] = tree.fresh.pop()
        return found


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _move(tree: Tree, on: Operands) -> None:
    tree.now[f"{on['d']}/{_last(on['a'])}"] = tree.now.pop(on["a"])


def _rename(tree: Tree, on: Operands) -> None:
    tree.now[on["b"]] = tree.now.pop(on["a"])


def _copy(tree: Tree, on: Operands) -> None:
    tree.now[on["b"]] = tree.now[on["a"]]


def _delete(tree: Tree, on: Operands) -> None:
    del tree.now[on["a"]]


def _make_folder(tree: Tree, on: Operands) -> None:
    tree.folders.append(on["b"])


def _write(tree: Tree, on: Operands) -> None:
    tree.now[on["b"]] = f"{on['w']}\n"


def _append(tree: Tree, on: Operands) -> None:
    tree.now[on["a"]] += f"{on['w']}\n"


def _lines_with(tree: Tree, on: Operands) -> None:
    lines = tree.now[on["a"]].splitlines(keepends=True)
    tree.now[on["b"]] = "".join(line for line in lines if on["v"] in line)


def _sort(tree: Tree, on: Operands) -> None:
    tree.now[on["b"]] = "".join(sorted(tree.now[on["a"]].splitlines(keepends=True)))


def _count(tree: Tree, on: Operands) -> None:
    tree.now[on["b"]] = f"{tree.now[on['a']].count(chr(10))}\n"


def _first(tree: Tree, on: Operands) -> None:
    tree.now[on["b"]] = tree.now[on["a"]].splitlines(keepends=True)[0]


def _mode(bits: int) -> Callable[[Tree, Operands], None]:
    def apply(tree: Tree, on: Operands) -> None:
        tree.modes[on["a"]] = bits

    return apply


ERRANDS: Mapping[str, Errand] = {
    "move": Errand(
        ("move {a} into {d}", "put {a} into the folder {d}"),
        ("mv {a} {d}", "mv {a} {d}/", "mv ./{a} {d}", "cp {a} {d} && rm {a}"),
        _move,
        "ad",
    ),
    "rename": Errand(
        ("rename {a} to {b}", "call {a} {b}"), ("mv {a} {b}", "mv ./{a} {b}", "cp {a} {b} && rm {a}"), _rename, "ab"
    ),
    "copy": Errand(("copy {a} to {b}", "make {b} a copy of {a}"), ("cp {a} {b}", "cat {a} > {b}"), _copy, "ab"),
    "delete": Errand(("delete {a}", "remove {a}"), ("rm {a}", "rm -f {a}", "rm ./{a}"), _delete, "a"),
    "folder": Errand(("make the folder {b}", "make a folder {b}"), ("mkdir {b}", "mkdir -p {b}"), _make_folder, "b"),
    "write": Errand(("write {w} to {b}",), ("echo {w} > {b}", 'echo "{w}" > {b}', "echo {w} | tee {b}"), _write, "bw"),
    "append": Errand(("append {w} to {a}", "add {w} to {a}"), ("echo {w} >> {a}", 'echo "{w}" >> {a}'), _append, "aw"),
    "filter": Errand(
        ("put the lines of {a} with {v} into {b}",),
        ("grep {v} {a} > {b}", "cat {a} | grep {v} > {b}", "grep {v} < {a} > {b}"),
        _lines_with,
        "avb",
    ),
    "sort": Errand(
        ("sort {a} into {b}",),
        ("sort {a} > {b}", "cat {a} | sort > {b}", "sort < {a} > {b}", "sort -o {b} {a}"),
        _sort,
        "ab",
    ),
    "count": Errand(
        ("count the lines of {a} in {b}",),
        ("wc -l < {a} > {b}", "cat {a} | wc -l > {b}", "grep -c . {a} > {b}"),
        _count,
        "ab",
    ),
    "first": Errand(
        ("put the first line of {a} into {b}",),
        ("head -n 1 {a} > {b}", "head -1 {a} > {b}", "sed 1q {a} > {b}"),
        _first,
        "ab",
    ),
    "private": Errand(("make {a} private",), ("chmod 600 {a}", "chmod go-r {a}", "chmod go= {a}"), _mode(0o600), "a"),
    "program": Errand(("make {a} executable",), ("chmod 755 {a}", "chmod +x {a}", "chmod a+x {a}"), _mode(0o755), "a"),
    "empty": Errand(
        ("delete the file in {d}",),
        ("rm {a}", "rm -f {a}", "rm ./{a}"),
        _delete,
        "da",
        ("ls {d}", "ls {d}/", "ls ./{d}"),
    ),
}
