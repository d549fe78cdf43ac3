"""What a coding agent does, whatever its tools are called: a small set of operations.

Owns: the operations and their JSON form (`Effects.detail["operations"]`). Does not own: which tool of which harness is
which operation (`envs.swe.operations`), which shell commands are one (`verifiers.code.commands`), or what they do.

Paths are as the policy wrote them. Lines count from 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, cast

from pivotgym.core.errors import InputError

Span: TypeAlias = tuple[int, int | None]
"""First and last line; a negative first line counts from the end, no last line is the end of the file."""
Prefix: TypeAlias = Literal["name", "colon", "tab"]
"""What stands before a line's text in an output: `path:`, `12:` (`12-` for context) or `    12<tab>`."""
WHOLE: tuple[Span, ...] = ((1, None),)


@dataclass(frozen=True)
class View:
    """Show lines of files.

    Attributes:
        paths: Files, or one folder.
        spans: Which lines of each.
        shown: What stands before each line in the output, outermost first.
    """

    kind: ClassVar[str] = "view"
    paths: tuple[str, ...]
    spans: tuple[Span, ...] = WHOLE
    shown: tuple[Prefix, ...] = ()


@dataclass(frozen=True)
class Search:
    """Find lines by a pattern.

    Attributes:
        pattern: What is looked for; several patterns are joined by a line break.
        where: Files and folders; none for the working folder.
        syntax: Of the pattern.
        recursive: Whether folders are searched.
        flags: What else decides which lines are found: `ignore-case`, `word`, `line`, `invert`, `only-matching`.
        only: Name patterns of the files that are searched; none for all.
        skipped: Name patterns of files and folders that are not.
        context: Lines shown before and after each line found.
        reports: Lines, or the names of the files that have any, or how many there are in each.
        limit: Most lines shown; `None` for all.
        shown: As for `View`.
    """

    kind: ClassVar[str] = "search"
    pattern: str
    where: tuple[str, ...] = ()
    syntax: Literal["basic", "extended", "fixed", "perl"] = "basic"
    recursive: bool = False
    flags: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    context: tuple[int, int] = (0, 0)
    reports: Literal["lines", "files", "counts"] = "lines"
    limit: int | None = None
    shown: tuple[Prefix, ...] = ()


@dataclass(frozen=True)
class Find:
    """Find files by name, or list a folder.

    Attributes:
        where: Folders; none for the working folder.
        names: Name patterns, any of which fits; none for all.
        type: `f` for files, `d` for folders, empty for both.
        depth: How many levels down; `None` for all, 1 for a plain list of a folder.
        flags: What else decides: `ignore-case`, `path` (patterns are of whole paths), `hidden`, `listing`
            for `ls`, `marks` where names end in a mark of their kind, `long` where more is told of each
            and `human` where its sizes are rounded.
    """

    kind: ClassVar[str] = "find"
    where: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    type: str = ""
    depth: int | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replace:
    """Replace a text in a file: its one occurrence, or every one."""

    kind: ClassVar[str] = "replace"
    path: str
    old: str
    new: str
    every: bool = False


@dataclass(frozen=True)
class ReplaceLines:
    """Replace lines `first` to `last` of a file, both included."""

    kind: ClassVar[str] = "replace_lines"
    path: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Insert:
    """Insert lines after line `after`; 0 for the start of the file, -1 for its end."""

    kind: ClassVar[str] = "insert"
    path: str
    after: int
    text: str


@dataclass(frozen=True)
class Create:
    """Write a whole file; whether it may exist already is the harness's."""

    kind: ClassVar[str] = "create"
    path: str
    text: str
    overwrite: bool = False


@dataclass(frozen=True)
class Undo:
    """Take back the last edit of a file."""

    kind: ClassVar[str] = "undo"
    path: str


@dataclass(frozen=True)
class Patch:
    """Apply a patch that names its files, in the form of OpenAI's `apply_patch`."""

    kind: ClassVar[str] = "patch"
    text: str


@dataclass(frozen=True)
class Move:
    """Move the window of an agent that sees a file in windows: `open` a file, `goto` a line, scroll `down` or `up`."""

    kind: ClassVar[str] = "move"
    to: Literal["open", "goto", "down", "up"]
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class RunTests:
    """Run tests.

    Attributes:
        runner: `pytest`, `unittest`, or the project's own script.
        selection: Files, node ids, modules or labels, in sorted order.
        options: What else decides which tests run or when they stop, in sorted order.
    """

    kind: ClassVar[str] = "run_tests"
    runner: str
    selection: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shell:
    """Run a command that is none of the others, or of which that is not certain."""

    kind: ClassVar[str] = "shell"
    command: str


@dataclass(frozen=True)
class Submit:
    """Hand in the work.

    Attributes:
        message: What is said of it; counts for nothing.
        command: What is handed in where that is a command's output, as the harness was given it.
    """

    kind: ClassVar[str] = "submit"
    message: str = ""
    command: str = ""


@dataclass(frozen=True)
class Think:
    """Note a thought or a plan: tells nothing and changes nothing."""

    kind: ClassVar[str] = "think"
    text: str = ""


@dataclass(frozen=True)
class Other:
    """A call that none of the tables knows, as it is."""

    kind: ClassVar[str] = "other"
    name: str
    arguments: str


@dataclass(frozen=True)
class Invalid:
    """A call that cannot be run, the policy's fault, and why, in one sentence."""

    kind: ClassVar[str] = "invalid"
    reason: str


Edit: TypeAlias = Replace | ReplaceLines | Insert | Create | Undo | Patch
Operation: TypeAlias = View | Search | Find | Edit | Move | RunTests | Shell | Submit | Think | Other | Invalid
EDITS: tuple[type[Any], ...] = (Replace, ReplaceLines, Insert, Create, Undo, Patch)
READS: tuple[type[Any], ...] = (View, Search, Find, Move)
_ALL: tuple[Any, ...] = (*EDITS, *READS, RunTests, Shell, Submit, Think, Other, Invalid)
_KINDS: dict[str, Any] = {vars(cls)["kind"]: cls for cls in _ALL}


def to_json(operation: Operation) -> dict[str, Any]:
    """An operation as JSON, with its `kind`."""
    return {"kind": operation.kind, **asdict(operation)}


def from_json(data: dict[str, Any]) -> Operation:
    """The operation that `to_json` wrote.

    Raises:
        InputError: If it is none.
    """
    cls = _KINDS.get(str(data.get("kind")))
    if cls is None:
        raise InputError(f"operation: expected a kind of {sorted(_KINDS)}, got {data.get('kind')!r}")
    given = {key: _tuples(value) for key, value in data.items() if key != "kind"}
    unknown = given.keys() - {field.name for field in fields(cls)}
    if unknown:
        raise InputError(f"operation {cls.kind}: expected fields of {cls.__name__}, got {sorted(unknown)}")
    try:
        return cast("Operation", cls(**given))
    except TypeError as error:
        raise InputError(f"operation {cls.kind}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
