"""Whether a command certainly does the same whenever it is run in the same state.

Owns: the programs of which that is known, and what speaks against it. Does not own: running a command twice where it
is not known (`envs.base.trials`), or what follows from the difference (`verifiers.shell.unstable`).

Wrong in one direction only would be harmless: a command that is steady but not known to be is run a second time, which
costs a second; one that is called steady and is not has its clock and random numbers compared as they are.
"""

from __future__ import annotations

import re

from pivotgym.verifiers.shell.parse import Block, Command, Word, parse

_PROGRAMS = """
    : [ awk basename cat cd chmod cmp col column comm cp cut diff dirname echo egrep expand export expr false fgrep
    file find fold grep head iconv join ln ls mawk md5sum mkdir mv nl od paste printf pwd readlink realpath rev rm
    rmdir sed seq set sha1sum sha256sum sort split strings sum tac tail tee test touch tr true truncate unexpand
    uniq unlink wc which xargs xxd
"""
_STEADY = frozenset(_PROGRAMS.split())
_AGAINST = re.compile(
    r"RANDOM|SECONDS|EPOCH|BASHPID|PPID|\$\$|\$!|rand\b|systime|strftime|/proc\b|/dev/u?random|%\(|--random|--time|full-time"
)
_LISTS_TIMES = re.compile(r"-[A-Za-z]*[lgoitcuSs]|--(?:format=(?:long|verbose)|sort|inode|size)")
"""Flags of `ls` that show or sort by what another run may change: times, inodes, sizes of folders."""
_FINDS_TIMES = re.compile(r"-(?:[amc]?newer\w*|[amc](?:min|time)|ls|fls|printf|fprintf|used)$")
_INNER = re.compile(r"[$<>]\(([^()]*)\)|`([^`]*)`")


def steady(command: str) -> bool:
    """Whether a command does the same at another time, for certain.

    >>> [steady(one) for one in ("grep -c a *.txt | sort", "date", "ls -l", "python3 x.py", "echo $RANDOM")]
    [True, False, False, False, False]
    """
    script = parse(command)
    if script is None or _AGAINST.search(command):
        return False
    stages = [stage for step in script for stage in step.stages]
    return not any(step.background for step in script) and all(map(_known, stages))


def _known(stage: Command | Block) -> bool:
    if isinstance(stage, Block) or not stage.words:
        return False
    targets = tuple(redirect.target for redirect in stage.redirects if "<<" not in redirect.operator)
    return all(map(_plain, (*stage.words, *stage.assignments, *targets))) and _program(
        stage.program, [word.text for word in stage.arguments]
    )


def _plain(word: Word) -> bool:
    """Whether a word is the same at another time: what it substitutes is steady, and nothing else is run by it."""
    if word.literal:
        return True
    inner = [first or second for first, second in _INNER.findall(word.text)]
    rest = _INNER.sub("", word.text)
    return "(" not in rest and "`" not in rest and all(map(steady, inner))


def _program(program: str, arguments: list[str]) -> bool:
    if program not in _STEADY:
        return False
    if program == "ls":
        return not any(map(_LISTS_TIMES.match, arguments))
    if program == "xargs":
        return _run_by(arguments)
    if program == "find":
        runs = [place for place, word in enumerate(arguments) if word in ("-exec", "-execdir")]
        return not any(map(_FINDS_TIMES.match, arguments)) and all(_run_by(arguments[place + 1 :]) for place in runs)
    if program == "sort":
        return not any(re.match(r"-[A-Za-z]*R", word) for word in arguments)
    return True


def _run_by(words: list[str]) -> bool:
    """Whether what another program runs, the first word that is no flag or number, is steady."""
    while words and (words[0].startswith("-") or re.fullmatch(r"\d+|\{\}", words[0])):
        words = words[1:]
    program = words[0].rpartition("/")[2] if words else "echo"
    return program not in ("xargs", "find") and _program(program, words[1:])
