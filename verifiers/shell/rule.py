"""The text rule: whether two scripts do the same whatever the state is. What decides where nothing can be run.

Owns: comparing scripts and keystrokes by what they say. Does not own: what is known of programs
(`verifiers.shell.programs`), or executed verdicts.

Two scripts are the same when they run the same programs, in the same order, with the same flags (in any order, in one
word or several), the same operands and the same redirections. Quoting that changes nothing, comments, `./`, waiting
(`sleep`, empty keystrokes, durations) and other spellings of one command (`cat a`, `sed -n '1,$p' a`, `cat < a`;
`pytest`, `python -m pytest`) do not count; nor does the order of commands that all only read. Python programs that are
written or run are compared by their syntax, JSON by its value. There is no similarity: what is not the same differs.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pivotgym.core.formats.terminus import Keystrokes
from pivotgym.verifiers.shell.parse import Block, Command, Redirect, Script, Step, Word, parse
from pivotgym.verifiers.shell.programs import fed, normal, only_reads

_WAITS = frozenset({"sleep", "clear", "wait", "true", ":"})
_KEY = re.compile(r"(?:C|M|S)-\S+|Enter|Escape|Tab|BSpace|Space|Up|Down|Left|Right|Home|End|NPage|PPage|DC|F\d+")
_PROGRAM_TEXT = re.compile(r"python[\d.]*")


def same_commands(expert: Sequence[str], candidate: Sequence[str]) -> bool:
    """Whether commands, run one after the other in one shell, do the same by the rule above."""
    one, other = "\n".join(expert), "\n".join(candidate)
    if one.strip() == other.strip():
        return True
    scripts = parse(one), parse(other)
    if scripts[0] is None or scripts[1] is None:
        return False
    ours, theirs = (_steps(script) for script in scripts if script is not None)
    if ours == theirs:
        return True
    return _all_read(ours) and _all_read(theirs) and Counter(ours) == Counter(theirs)


def same_text(one: str, other: str) -> bool:
    """Whether two commands are one script but for quoting and spaces: certain without knowing their programs."""
    if one.strip() == other.strip():
        return True
    if _residue(one) != _residue(other):
        return False
    script = parse(one)
    return script is not None and script == parse(other)


def same_keys(expert: Sequence[Keystrokes], candidate: Sequence[Keystrokes]) -> bool:
    """Whether keystrokes do the same, typed at a shell: the same keys, and between them the same commands."""
    ours, theirs = list(_segments(expert)), list(_segments(candidate))
    return len(ours) == len(theirs) and all(map(_same_segment, ours, theirs))


def typed(keystrokes: Sequence[Keystrokes]) -> list[str]:
    """What is typed, without waiting: neighbouring text put together, named keys by themselves."""
    return list(_segments(keystrokes))


def _residue(text: str) -> str:
    return re.sub(r"[\s'\"\\;]+", "", text)


def _segments(keystrokes: Sequence[Keystrokes]) -> Iterator[str]:
    text = ""
    for one in keystrokes:
        if _KEY.fullmatch(one.keys):
            if text.strip():
                yield text
            text = ""
            yield one.keys
        else:
            text += one.keys
    if text.strip():
        yield text


def _same_segment(one: str, other: str) -> bool:
    if _KEY.fullmatch(one) or _KEY.fullmatch(other):
        return one == other
    return one.endswith("\n") == other.endswith("\n") and same_commands([one], [other])


def _all_read(steps: Sequence[Step]) -> bool:
    return all(
        step.after == ";"
        and all(isinstance(one, Command) and one.program != "cd" and only_reads(one) for one in step.stages)
        for step in steps
    )


def _steps(script: Script) -> tuple[Step, ...]:
    """The steps in their one form, without those that only wait."""
    kept = [step for step in script if not _waits(step)]
    if len(kept) < len(script) and kept:
        kept[0] = replace(kept[0], after=";") if kept[0].after == "&&" else kept[0]
    return tuple(replace(step, stages=_stages(step.stages), after=_after(step)) for step in kept)


def _waits(step: Step) -> bool:
    stage = step.stages[0]
    alone = len(step.stages) == 1 and isinstance(stage, Command) and not stage.redirects and step.after != "||"
    return alone and isinstance(stage, Command) and stage.program in _WAITS


def _after(step: Step) -> str:
    """A command that only reads may come after a failure: `cd a; ls` is `cd a && ls`."""
    reads = all(isinstance(stage, Command) and stage.program != "cd" and only_reads(stage) for stage in step.stages)
    return ";" if step.after == "&&" and reads else step.after


def _stages(stages: tuple[Command | Block, ...]) -> tuple[Any, ...]:
    first, *rest = stages
    if rest and isinstance(first, Command) and isinstance(rest[0], Command) and _shows_file(first):
        joined = fed(first.words[1], rest[0])
        if joined is not None:
            first, *rest = joined, *rest[1:]
    return tuple(_normal(stage) for stage in (first, *rest))


def _shows_file(command: Command) -> bool:
    if command.program != "cat" or len(command.words) != 2 or command.redirects:
        return False
    return command.words[1].literal and not command.words[1].text.startswith("-")


def _normal(stage: Command | Block) -> Command | Block:
    if isinstance(stage, Block):
        plain = not re.search(r"['\"\\#]|<<", stage.text)
        return Block(re.sub(r"[ \t]+", " ", stage.text)) if plain else stage
    command = normal(stage)
    redirects = tuple(_with_value(command, one) for one in command.redirects)
    return replace(command, words=tuple(_programs_text(command)), redirects=redirects)


def _with_value(command: Command, redirect: Redirect) -> Redirect:
    """A here-document by what it means, where that is plain from the program or the file that takes it."""
    if redirect.operator not in ("<<", "<<-") or not redirect.target.literal:
        return redirect
    files = [one.target.text for one in command.redirects if one.operator in (">", ">>")]
    files += [word.text for word in command.arguments] if command.program == "tee" else []
    python = bool(_PROGRAM_TEXT.fullmatch(command.program)) or any(name.endswith(".py") for name in files)
    value = _syntax(redirect.target.text) if python else None
    if value is None and files and all(name.endswith(".json") for name in files):
        value = _json(redirect.target.text)
    return redirect if value is None else replace(redirect, target=Word(value))


def _programs_text(command: Command) -> Iterator[Word]:
    """The words, the program after `python -c` by its syntax."""
    words = command.words
    for place, word in enumerate(words):
        code = place == 2 and words[1].text == "-c" and word.literal and _PROGRAM_TEXT.fullmatch(command.program)
        yield Word(_syntax(word.text) or word.text) if code else word


def _syntax(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _json(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None
