r"""The information in what commands print.

Owns: when two outputs tell the same, as text or as facts. Does not own: what differs between two runs of one command
(`verifiers.shell.unstable`), or what is printed at all.

*As text* (`same_text`), where the output is the product: line by line, but for trailing space, blank lines at both
ends, colours and `\r`. *As facts* (`same_facts`), where somebody reads it, these carry no information either:

- blank lines, runs of spaces, the alignment of numbers (but not the indentation of text, which is content);
- `./` and the working directory before a path; in lists the folder that the command itself names, before every line;
- the name of the one file that the command names, repeated in every line (`wc -l a` / `wc -l < a`);
- separators of columns, when one stands for the other throughout; `1,234` for `1234`; the layout of JSON;
- the line `total N` of `ls -l`.

The order of lines counts unless nobody asked for one (`verifiers.shell.order`). Line numbers, counts, headings, rounded
sizes (`4.0K` for 4096) and anything shown beyond the expert's lines are information.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pivotgym.verifiers.shell.order import Order, order_of
from pivotgym.verifiers.shell.parse import Script, commands_of, parse

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[@-Z\\-_=>])")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])")
_TOTAL = re.compile(r"total \d+(?:\.\d+)?[KMGT]?")
_HERE = re.compile(r"(?<![^\s\"'(=,:])(?:\./)+(?=[^\s/])")
_PROMPT = re.compile(r"(?:\([\w.-]+\) )?[^\s@]+@[^\s:]+:[^#$]*[#$](?: |$)|> ")
"""A prompt of a shell, also in a virtual environment, and the one for a line that goes on."""
_WIDE = 72
"""Columns from which a line that was typed may have been wrapped."""
_SEPARATORS = (",", ":", ";", "|")


@dataclass(frozen=True)
class Printed:
    """What a command printed.

    Attributes:
        text: Its output.
        command: The command.
        cwd: Absolute working directory, "" where it is not known.
    """

    text: str
    command: str = ""
    cwd: str = ""


def lines_of(text: str) -> list[str]:
    r"""The lines of an output without colours, trailing space (`\\r` included), and blank lines at both ends."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n")
    lines = [line.rstrip() for line in plain.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    start = next((place for place, line in enumerate(lines) if line), 0)
    return lines[start:]


def nothing(text: str) -> bool:
    """Whether an output shows nothing."""
    return not lines_of(text)


def without_echo(text: str, keys: str) -> str:
    """What a terminal shows, without the prompts and what was typed at them.

    Args:
        text: The terminal's text.
        keys: What was typed.
    """
    typed = [line.rstrip() for line in keys.split("\n") if line.strip()]
    bare, wrapped = list(typed), ""
    kept = []
    for line in (line.rstrip() for line in text.split("\n")):
        prompt = _PROMPT.match(line)
        rest = line[prompt.end() :] if prompt else line
        if wrapped and any(one.startswith(wrapped + line) for one in typed):
            wrapped = "" if wrapped + line in typed else wrapped + line
        elif rest in bare:  # also without a prompt: typed ahead of it, or it came before this text
            bare.remove(rest)
        elif prompt and (not rest.strip() or rest in typed):
            continue
        elif len(line) >= _WIDE and any(one.startswith(rest) for one in typed):
            wrapped = rest
        else:
            kept.append(line)
    return "\n".join(kept)


def same_text(expert: Printed, candidate: Printed) -> bool:
    """Whether two outputs are the same text, in any order where nobody asked for one."""
    return _same_lines(lines_of(expert.text), lines_of(candidate.text), free_order(expert, candidate))


def same_facts(expert: Printed, candidate: Printed) -> bool:
    """Whether two outputs tell the same facts. Only the order of lines goes by the expert's command alone."""
    if same_text(expert, candidate):
        return True
    if nothing(expert.text) or nothing(candidate.text):
        return False
    free = free_order(expert, candidate)
    ours, theirs = fact_lines(expert), fact_lines(candidate)
    if _same_lines(ours, theirs, free) or _same_json(ours, theirs):
        return True
    forms = [list(_forms(ours, expert, free)), list(_forms(theirs, candidate, free))]
    if any(_same_lines(one, other, free) for one in forms[0] for other in forms[1]):
        return True
    return any(_same_lines(one, other, free) for one, other in _separated(ours, theirs))


def free_order(expert: Printed, candidate: Printed) -> bool:
    """Whether the order of lines carries nothing: the expert's command asks for none, the other for no special one."""
    asked = order_of(expert.command)
    if asked is Order.ASKED or (asked is Order.NAMES and _sorts(expert.command)):
        return False
    return order_of(candidate.command) is not Order.ASKED


def _sorts(command: str) -> bool:
    return any(one.program == "sort" for one in commands_of(parse(command) or ()))


def _same_lines(ours: Sequence[str], theirs: Sequence[str], free: bool) -> bool:
    return ours == theirs or (free and len(ours) == len(theirs) and Counter(ours) == Counter(theirs))


def fact_lines(printed: Printed) -> list[str]:
    """The lines without what carries no information."""
    here = re.compile(rf"(?<![^\s\"'(=,:]){re.escape(printed.cwd.rstrip('/'))}/(?=[^\s/])") if printed.cwd else None
    lines = []
    for line in lines_of(printed.text):
        if not line or _TOTAL.fullmatch(line):
            continue
        line = line.rpartition("\r")[2]  # what a progress bar overwrote is not to be seen
        line = _HERE.sub("", here.sub("", line) if here else line)
        indent = line[: len(line) - len(line.lstrip())].expandtabs(8)
        body = re.sub(r"\s+", " ", _THOUSANDS.sub(lambda found: found[0].replace(",", ""), line.strip()))
        lines.append(body if re.match(r"[+-]?\d", body) else indent + body)
    return lines


def _same_json(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    values: list[Any] = []
    for lines in (ours, theirs):
        text = "\n".join(lines)
        if not text.startswith(("{", "[")):
            return False
        try:
            values.append(json.loads(text))
        except (ValueError, RecursionError):
            return False
    return _spelled(values[0]) == _spelled(values[1])


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _forms(lines: list[str], printed: Printed, free: bool) -> Iterator[list[str]]:
    """The lines as they are, and without the names that the command itself says."""
    yield lines
    operands = _operands(printed.command)
    if len(operands) == 1 and (own := _without_name(lines, operands[0])) is not None:
        yield own
    if free:
        for operand in operands:
            folder = _HERE.sub("", operand).rstrip("/") + "/"
            if all(line.startswith(folder) and line != folder for line in lines):
                yield [line[len(folder) :] for line in lines]


def _operands(command: str) -> list[str]:
    """Words of a single command that can be files: neither its program nor flags; and what it reads as its input."""
    script: Script = parse(command) or ()
    found = list(commands_of(script))
    if len(found) != 1:
        return []
    words = [word.text for word in found[0].arguments if word.literal and not word.text.startswith("-")]
    read = [one.target.text for one in found[0].redirects if one.operator == "<"]
    if found[0].program in ("grep", "egrep", "fgrep", "sed", "awk") and words:
        words = words[1:]
    return read or words


def _without_name(lines: list[str], name: str) -> list[str] | None:
    """The lines without the file's name before a colon or at the end; `-` at the end is the standard input's."""
    name = _HERE.sub("", name)
    for cut in (_cut_before(name + ":"), _cut_after(" " + name), _cut_after(" -")):
        if lines and all(cut(line) is not None for line in lines):
            return [cut(line) or "" for line in lines]
    return None


def _cut_before(mark: str) -> Callable[[str], str | None]:
    return lambda line: line[len(mark) :] if line.startswith(mark) else None


def _cut_after(mark: str) -> Callable[[str], str | None]:
    return lambda line: line[: -len(mark)].rstrip() if line.endswith(mark) and line != mark else None


def _separated(ours: list[str], theirs: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Both with one separator of columns read as a space, in each a different one."""
    spaced = [(mark, _respaced(ours, mark), _respaced(theirs, mark)) for mark in _SEPARATORS]
    for mark, one, _ in spaced:
        if one != ours:
            yield one, theirs
            yield from ((one, other) for second, _, other in spaced if second != mark and other != theirs)
    yield from ((ours, other) for _, _, other in spaced if other != theirs)


def _respaced(lines: list[str], mark: str) -> list[str]:
    """Lines with a separator between two columns as a space; indentation stays."""
    between = re.compile(rf"(?<=\S) ?{re.escape(mark)} ?(?=\S)")
    return [between.sub(" ", line) for line in lines]
