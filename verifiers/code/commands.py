"""Shell commands that only view, search, list, write one file or run tests, as the operation that they are.

Owns: which pipelines are an operation for certain. Does not own: parsing bash (`verifiers.shell.parse`), options of
`grep` and its like (`verifiers.code.options`), test runners (`verifiers.code.runners`).

Only what is certain from the text is read: a variable, a pattern of the shell or an unknown flag leaves the command a
`Shell`. A `cd` to a plain folder before it moves its paths. What is sent to `/dev/null` from standard error, and
standard error joined to the output, change no line that is reached.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from pivotgym.verifiers.code.finders import find_of, ls_of
from pivotgym.verifiers.code.operations import (
    WHOLE,
    Create,
    Find,
    Invalid,
    Operation,
    Patch,
    RunTests,
    Search,
    Shell,
    Span,
    View,
)
from pivotgym.verifiers.code.options import Options, read_options
from pivotgym.verifiers.code.runners import run_of
from pivotgym.verifiers.code.searches import grep_of, rg_of
from pivotgym.verifiers.shell.parse import Block, Command, Script, Step, Word, parse, unquoted
from pivotgym.verifiers.shell.programs import with_input_named

_QUIET = {("2>", "/dev/null"), ("2>>", "/dev/null"), ("2>&", "1")}
_CD = re.compile(r"cd\s+([^\s;&|<>()$`~*?\[-][^\s;&|<>()$`*?\[]*|'[^']+')\s*&&\s*(?=\S)")
_SPAN = re.compile(r"(?:([0-9]{1,9}|\$)(?:,([0-9]{1,9}|\$))?)?p")


def operation_of(command: str) -> Operation:
    """What a shell command does: an operation where that is certain, else `Shell`; `Invalid` where it is empty."""
    if not command.strip():
        return Invalid("the command is empty")
    folder, rest = _entered(command.strip())
    script = parse(rest)
    found = _script(script, folder) if script else None
    return found or Shell(command)


def _entered(command: str) -> tuple[str, str]:
    """The folder that a command goes to before anything else, and the rest of it.

    Read from the text: the grammar takes `cd a && b 2>&1 | c` for a pipeline from `cd a && b`.
    """
    folder = ""
    while (found := _CD.match(command)) is not None and (into := unquoted(found[1])) is not None:
        folder, command = posixpath.join(folder, into), command[found.end() :]
    return folder, command


def _script(script: Script, folder: str) -> Operation | None:
    while len(script) > 1 and _does_nothing(script[0]) and script[1].after != "||":
        script = script[1:]
    if len(script) != 1 or script[0].background or script[0].negated:
        return None
    stages = [_plain(stage) for stage in script[0].stages]
    if any(stage is None for stage in stages):
        return _written(script[0], folder)
    found = _piped([stage for stage in stages if stage is not None], script[0])
    return _moved(found, folder) if found else None


def _does_nothing(step: Step) -> bool:
    """Whether a step is `true` or `:` and nothing else."""
    if step.background or step.negated or len(step.stages) != 1:
        return False
    stage = step.stages[0]
    return stage in (Command((Word("true"),)), Command((Word(":"),)))


def _plain(stage: Command | Block) -> list[str] | None:
    """The words of a command with no effect but its output; `None` where it is more than words."""
    stage = stage if isinstance(stage, Block) else with_input_named(stage)
    if isinstance(stage, Block) or not stage.words or not all(word.literal for word in stage.words):
        return None
    if any((one.operator, one.target.text) not in _QUIET for one in stage.redirects):
        return None
    return [word.text for word in stage.words]


def _piped(stages: list[list[str]], step: Step) -> Operation | None:
    first, *filters = stages
    if first[0] == "apply_patch" and len(first) == 2 and len(stages) == 1:
        return Patch(first[1])
    assigned = [word.text for stage in step.stages if isinstance(stage, Command) for word in stage.assignments]
    tests = run_of(first, assigned)
    if tests is not None:
        return tests if all(words[0] == "tail" for words in filters) else None
    found = None if assigned else _source(first)
    for words in filters:
        found = _filtered(found, words) if found is not None else None
    return found


def _source(words: list[str]) -> View | Search | Find | None:
    program, given = words[0].rpartition("/")[2], words[1:]
    if program in ("grep", "egrep", "fgrep"):
        return grep_of(program, given)
    if program == "rg":
        return rg_of(given)
    if program in ("find", "ls"):
        return find_of(given) if program == "find" else ls_of(given)
    view, paths = _viewed(program, given)
    return replace(view, paths=tuple(paths)) if view is not None and paths and "-" not in paths else None


def _viewed(program: str, given: list[str]) -> tuple[View | None, list[str]]:
    """What a viewer shows of its operands, and these."""
    readers: dict[str, Callable[[list[str]], tuple[View | None, list[str]]]] = {
        "cat": _cat, "nl": _nl, "head": _head, "tail": _tail, "sed": _sed,
    }  # fmt: skip
    return readers[program](given) if program in readers else (None, [])


def _cat(given: list[str]) -> tuple[View | None, list[str]]:
    options = read_options(given, flags={"-n": "n", "--number": "n", "-u": ""})
    if options is None:
        return None, []
    return View((), WHOLE, ("tab",) if "n" in options.flags else ()), options.operands


def _nl(given: list[str]) -> tuple[View | None, list[str]]:
    options = read_options(given, flags={}, values={"-b": "b", "--body-numbering": "b", "-w": "", "--number-width": ""})
    if options is None or options.values.get("b") != ["a"]:
        return None, []
    return View((), WHOLE, ("tab",)), options.operands


def _count(given: list[str]) -> Options | None:
    """Options of `head` and `tail`; the old form `-20` is `-n 20`."""
    modern = [f"-n{word[1:]}" if re.fullmatch(r"-[0-9]+", word) else word for word in given]
    return read_options(modern, flags={"-q": ""}, values={"-n": "n", "--lines": "n"})


def _head(given: list[str]) -> tuple[View | None, list[str]]:
    options = _count(given)
    number = options.values.get("n", ["10"])[-1] if options else ""
    if options is None or not re.fullmatch(r"[0-9]{1,9}", number) or len(options.operands) > 1:
        return None, []
    return View((), ((1, int(number)),)), options.operands


def _tail(given: list[str]) -> tuple[View | None, list[str]]:
    options = _count(given)
    number = options.values.get("n", ["10"])[-1] if options else ""
    if options is None or not re.fullmatch(r"[-+]?[0-9]{1,9}", number) or len(options.operands) > 1:
        return None, []
    return View((), ((int(number) if number[0] == "+" else -int(number.lstrip("-")), None),)), options.operands


def _sed(given: list[str]) -> tuple[View | None, list[str]]:
    options = read_options(given, flags={"-n": "n", "--quiet": "n", "--silent": "n", "-E": "", "-r": ""})
    if options is None or "n" not in options.flags or not options.operands:
        return None, []
    spans = _spans(options.operands[0])
    return (View((), spans) if spans else None), options.operands[1:]


def _spans(program: str) -> tuple[Span, ...] | None:
    """The lines that a program of `sed -n` prints; `None` where it does more, or prints a line twice."""
    spans: list[Span] = []
    for part in filter(None, (part.strip() for part in re.split(r"[;\n]", program))):
        found = _SPAN.fullmatch(part)
        if found is None:
            return None
        first, last = found[1], found[2]
        if first is None:
            spans.append((1, None))
        elif first == "$":
            spans.append((-1, None))
        else:
            end = None if last == "$" else int(last or first)
            spans.append((int(first), end if end is None else max(end, int(first))))
    ordered = all(end is not None and 0 < end < start for (_, end), (start, _) in pairwise(spans))
    return tuple(spans) if spans and ordered and spans[0][0] != 0 else None


def _filtered(found: View | Search | Find, words: list[str]) -> View | Search | Find | None:
    """What is left of an operation's lines by the next command of a pipeline."""
    program, given = words[0].rpartition("/")[2], words[1:]
    if isinstance(found, View) and len(found.paths) == 1 and program in ("grep", "egrep", "fgrep"):
        return _searched(found, grep_of(program, given, piped=True))
    view, paths = _viewed(program, given)
    if view is None or paths not in ([], ["-"]):
        return None
    if isinstance(found, Search):
        plain = not view.shown and len(view.spans) == 1 and view.spans[0][0] == 1 and found.limit is None
        return replace(found, limit=view.spans[0][1]) if plain else None
    if isinstance(found, Find) or len(found.paths) != 1:
        return None
    if view.shown:
        return replace(found, shown=view.shown) if view.spans == found.spans == WHOLE and not found.shown else None
    if found.spans == WHOLE:
        return replace(found, spans=view.spans)
    spans = _within(found.spans, view.spans)
    return replace(found, spans=spans) if spans else None


def _within(shown: tuple[Span, ...], wanted: tuple[Span, ...]) -> tuple[Span, ...] | None:
    """Lines of lines; only where one span is cut by another from its start on."""
    if len(shown) != 1 or shown[0][0] < 1 or any(first < 1 for first, _ in wanted):
        return None
    start, end = shown[0]
    moved: list[Span] = []
    for first, last in wanted:
        over = end if last is None else start + last - 1
        low = start + first - 1
        high = over if end is None or over is None else min(over, end)
        if high is not None and high < low:
            return None
        moved.append((low, high))
    return tuple(moved)


def _searched(view: View, search: Search | None) -> Search | None:
    if search is None or view.spans != WHOLE:
        return None
    seen = ("numbered",) if view.shown else ()
    flags = tuple(sorted({*search.flags, *seen}))
    return replace(search, where=view.paths, recursive=False, flags=flags, shown=(*search.shown, *view.shown))


def _written(step: Step, folder: str) -> Create | Patch | None:
    """`cat` of a here-document into a file, or `apply_patch` of one."""
    command = step.stages[0]
    if len(step.stages) != 1 or isinstance(command, Block) or len(command.words) != 1 or command.assignments:
        return None
    by_operator = {one.operator: one.target for one in command.redirects}
    body, target = by_operator.get("<<"), by_operator.get(">")
    if not body or not body.literal or len(by_operator) != len(command.redirects):
        return None
    if command.program == "apply_patch" and len(by_operator) == 1 and not folder:
        return Patch(body.text)
    if command.program != "cat" or len(by_operator) != 2 or not target or not target.literal:
        return None
    return Create(posixpath.join(folder, target.text), body.text, overwrite=True)


def _moved(found: Operation, folder: str) -> Operation | None:
    """The operation as seen from where a `cd` before it started; `None` where its text would have to change."""
    if not folder:
        return found
    if isinstance(found, View):
        return replace(found, paths=tuple(posixpath.join(folder, path) for path in found.paths))
    if isinstance(found, Search | Find):
        return replace(found, where=tuple(posixpath.join(folder, path) for path in found.where or (".",)))
    if isinstance(found, Patch):
        return None
    if isinstance(found, RunTests):
        if found.runner != "pytest":
            return replace(found, options=tuple(sorted({*found.options, f"cd {posixpath.normpath(folder)}"})))
        selection = tuple(posixpath.join(folder, one) for one in found.selection) or (folder,)
        return replace(found, selection=selection)
    return found
