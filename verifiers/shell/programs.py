"""What is known of programs: which flags take a value, which commands only read, which spellings are one command.

Owns: the table, and the one form of commands that mean the same whatever the state is. Does not own: scripts
(`verifiers.shell.rule`). A program that is not in the table keeps its words as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pivotgym.verifiers.shell.parse import Command, Redirect, Word


@dataclass(frozen=True)
class Program:
    """What is known of one program.

    Attributes:
        valued: Short flags that take a value.
        clashing: Groups of short flags of which the last one wins: their order is kept.
        long: Long flags that are another word for a short one.
        texts: How many operands come before the files: patterns and scripts.
        reads: Whether it changes nothing, whatever its flags.
        filters: Whether it reads the standard input where it is given no file, and says the same of it.
    """

    valued: str = ""
    clashing: tuple[str, ...] = ()
    long: Mapping[str, str] = field(default_factory=dict)
    texts: int = 0
    reads: bool = True
    filters: bool = False


_GREP = Program(
    "efmABCdD",
    ("EFGP", "lLc", "hH"),
    {
        "--ignore-case": "-i",
        "--line-number": "-n",
        "--recursive": "-r",
        "--dereference-recursive": "-R",
        "--count": "-c",
        "--files-with-matches": "-l",
        "--files-without-match": "-L",
        "--invert-match": "-v",
        "--word-regexp": "-w",
        "--only-matching": "-o",
        "--quiet": "-q",
        "--extended-regexp": "-E",
        "--fixed-strings": "-F",
        "--perl-regexp": "-P",
    },
    texts=1,
    filters=True,
)
PROGRAMS: Mapping[str, Program] = {
    "ls": Program(
        "IwT",
        ("tSXUv", "lCxm1", "aA"),
        {"--all": "-a", "--almost-all": "-A", "--recursive": "-R", "--reverse": "-r", "--human-readable": "-h"},
    ),
    "cat": Program("", (), {"--number": "-n", "--show-all": "-A"}, filters=True),
    "grep": _GREP,
    "head": Program("nc", ("nc",), {"--lines": "-n", "--bytes": "-c"}, filters=True),
    "tail": Program("ncs", ("nc",), {"--lines": "-n", "--bytes": "-c"}, filters=True),
    "wc": Program("", (), {"--lines": "-l", "--words": "-w", "--bytes": "-c", "--chars": "-m"}, filters=True),
    "cut": Program("dfcb", (), {"--delimiter": "-d", "--fields": "-f"}, filters=True),
    "uniq": Program("fsw", (), {"--count": "-c", "--repeated": "-d", "--unique": "-u"}, reads=False, filters=True),
    "diff": Program("UCIxX", ("ucyen",), {"--recursive": "-r", "--unified": "-u", "--brief": "-q"}),
    "stat": Program("c"),
    "file": Program("m"),
    "du": Program("dBt", ("hkm",), {"--human-readable": "-h", "--summarize": "-s"}),
    "df": Program("Bt", ("hkH",), {"--human-readable": "-h"}),
    "tac": Program(filters=True),
    "sort": Program(
        "kotST",
        (),
        {"--numeric-sort": "-n", "--reverse": "-r", "--unique": "-u", "--ignore-case": "-f", "--key": "-k"},
        filters=True,
    ),
    "md5sum": Program(filters=True),
    "sha256sum": Program(filters=True),
    "mkdir": Program("m", (), {"--parents": "-p", "--mode": "-m"}, reads=False),
    "rm": Program("", ("fiI",), {"--recursive": "-r", "-R": "-r", "--force": "-f"}, reads=False),
    "rmdir": Program("", (), {"--parents": "-p"}, reads=False),
    "cp": Program("tS", ("fin",), {"--recursive": "-r", "-R": "-r", "--archive": "-a", "--force": "-f"}, reads=False),
    "mv": Program("tS", ("fin",), {"--force": "-f", "--no-clobber": "-n"}, reads=False),
    "touch": Program("drt", (), {}, reads=False),
    "tar": Program("fCTXIg", (), {"--create": "-c", "--extract": "-x", "--gzip": "-z", "--file": "-f"}, reads=False),
}
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {"egrep": ("grep", "-E"), "fgrep": ("grep", "-F")}
_READING = frozenset(
    {"awk", "cd", "echo", "egrep", "fgrep", "id", "nl", "printenv", "pwd", "rev", "sort", "tree", "which"}
)
"""Further commands that change no file unless they are redirected (`sort` without `-o`)."""
_READING_GIT = frozenset({"blame", "diff", "grep", "log", "ls-files", "rev-parse", "shortlog", "show", "status"})
_CHANGING_FIND = frozenset({"-delete", "-exec", "-execdir", "-fls", "-fprint", "-fprintf", "-ok", "-okdir"})
_LONG_SED = {"--in-place": "-i", "--quiet": "-n", "--silent": "-n", "--regexp-extended": "-E", "-r": "-E"}
_NOWHERE = Redirect("2>", Word("/dev/null"))
_PATTERN_FLAG = re.compile(r"--[a-z-]+=[^$`\"']+")
"""`--include=*.py`, which no file is called."""
_PRINTS_ALL = re.compile(r"(?:1,\$)?p")
_PRINTS_FIRST = re.compile(r"1,(\d+)p")


def only_reads(command: Command) -> bool:
    """Whether a command changes nothing for sure: no file, no process; the working directory it may.

    >>> from pivotgym.verifiers.shell.parse import commands_of, parse
    >>> [only_reads(one) for one in commands_of(parse("ls -la; sed -i s/a/b/ f; ls > f") or ())]
    [True, False, False]
    """
    if any(one.operator not in ("<", "<<", "<<<", "2>&") and one != _NOWHERE for one in command.redirects):
        return False
    words = [word.text for word in command.arguments]
    program = command.program
    if program == "find":
        return not _CHANGING_FIND & set(words)
    if program == "git":
        return bool(words) and words[0] in _READING_GIT and not any(word.startswith("--output") for word in words)
    if program == "sed":
        script = next((word for word in words if not word.startswith("-")), "")
        in_place = any(re.match(r"-[A-Za-z]*[eif]|--", word) for word in words)
        return not in_place and not re.search(r"(?:^|[;/\d$}gpI])\s*[wWe]", script)
    if program == "awk":
        return not any(re.search(r"[>|]|system", word) for word in words)
    if program == "sort":
        return not any(re.match(r"-[A-Za-z]*o|--output", word) for word in words)
    known = PROGRAMS.get(program)
    return program in _READING or (known is not None and known.reads)


def normal(command: Command) -> Command:
    """The one form of a command, for commands that mean the same whatever the state is."""
    if not command.words or not command.words[0].literal:
        return command
    if _NOWHERE in command.redirects and only_reads(command):
        command = replace(command, redirects=tuple(one for one in command.redirects if one != _NOWHERE))
    command = _renamed(with_input_named(command))
    known = PROGRAMS.get(command.program)
    if known is None or any(word.text == "--" for word in command.arguments):
        return command
    return replace(command, words=(command.words[0], *_arguments(command.arguments, known)))


def fed(file: Word, command: Command) -> Command | None:
    """A filter given a file that was piped into it; `None` where that is not the same."""
    operands = _operand_count(command)
    if operands is None or any(one.operator.startswith("<") for one in command.redirects):
        return None
    return replace(command, words=(*command.words, file)) if operands == 0 else None


def with_input_named(command: Command) -> Command:
    """`wc -l < a` as `wc -l a`, for filters."""
    if len(command.redirects) == 1 and command.redirects[0].operator == "<" and command.redirects[0].target.literal:
        bare = replace(command, redirects=())
        return fed(command.redirects[0].target, bare) or command
    return command


def _operand_count(command: Command) -> int | None:
    """How many files a filter is given; `None` for what is no filter."""
    if command.program in ("sed", "awk"):
        plain = [word for word in command.arguments if not word.text.startswith("-")]
        simple = not any(re.match(r"-[A-Za-z]*[efiFv]|--", word.text) for word in command.arguments)
        return len(plain) - 1 if simple and plain else None
    known = PROGRAMS.get(command.program)
    if known is None or not known.filters:
        return None
    if command.program == "grep" and any(re.match(r"-[A-Za-z]*[rRef]|--", word.text) for word in command.arguments):
        return None
    split = _split(command.arguments, known)
    return None if split is None else len(split[1]) - known.texts


def _renamed(command: Command) -> Command:
    """A command under the name that its other spellings have too."""
    if command.program == "sed" and command.arguments and command.words[1].text in _LONG_SED:
        short = Word(_LONG_SED[command.words[1].text])
        command = replace(command, words=(command.words[0], short, *command.words[2:]))
    words = [word.text for word in command.words]
    if command.program in _OTHER_NAMES:
        new = _OTHER_NAMES[command.program]
        return replace(command, words=(*map(Word, new), *command.arguments))
    if command.program in ("python", "python3") and words[1:3] == ["-m", "pytest"]:
        return replace(command, words=(Word("pytest"), *command.words[3:]))
    if (
        command.program == "tar"
        and re.fullmatch(r"[cxtru][A-Za-z]*f?", "".join(words[1:2]))
        and "f" not in words[1][:-1]
    ):
        return replace(command, words=(command.words[0], Word("-" + words[1]), *command.words[2:]))
    if command.program == "py.test":
        return replace(command, words=(Word("pytest"), *command.arguments))
    if command.program == "git" and words[1:2] == ["--no-pager"]:
        return replace(command, words=(command.words[0], *command.words[2:]))
    if command.program == "sed" and len(words) == 4 and words[1] == "-n" and command.words[2].literal:
        if _PRINTS_ALL.fullmatch(words[2]):
            return replace(command, words=(Word("cat"), command.words[3]))
        first = _PRINTS_FIRST.fullmatch(words[2])
        if first:
            return replace(command, words=(Word("head"), Word("-n"), Word(first[1]), command.words[3]))
    if command.program == "tail" and words[1:3] in (["-n", "+1"], ["-n", "+0"]) and len(words) == 4:
        return replace(command, words=(Word("cat"), command.words[3]))
    return command


def _arguments(words: tuple[Word, ...], known: Program) -> tuple[Word, ...]:
    """Flags one by one, those without a value in one order, then the operands, files without `./`."""
    split = _split(words, known)
    if split is None:
        return words
    flags, operands = split
    single = [flag for flag in flags if len(flag) == 1]
    valued = [word for flag in flags if len(flag) > 1 for word in flag]
    clash = any(sum(flag[0].text.lstrip("-") in group for flag in flags) > 1 for group in known.clashing)
    ordered = (
        [flag[0] for flag in single] if clash else sorted((flag[0] for flag in single), key=lambda word: word.text)
    )
    files = [_without_dot(word) for word in operands[known.texts :]]
    return (*ordered, *valued, *operands[: known.texts], *files)


def _split(words: tuple[Word, ...], known: Program) -> tuple[list[tuple[Word, ...]], list[Word]] | None:
    """Flags, each with its value where it takes one, and operands; `None` where that cannot be told."""
    flags: list[tuple[Word, ...]] = []
    operands: list[Word] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        text = word.text
        if not text.startswith("-") or text == "-":
            operands.append(word)
        elif not word.literal and not _PATTERN_FLAG.fullmatch(text):
            return None
        elif text.startswith("--"):
            name, mark, value = text.partition("=")
            short = known.long.get(name)
            takes = short is not None and short[1] in known.valued
            if takes and not mark:
                return None
            flags.append((Word(short or name), Word(value)) if mark else (Word(short or name),))
        elif re.fullmatch(r"-\d+", text) and "n" in known.valued:
            flags.append((Word("-n"), Word(text[1:])))
        else:
            read = _cluster(known.long.get(text, text), known, rest)
            if read is None:
                return None
            flags += read
    return flags, operands


def _cluster(text: str, known: Program, rest: list[Word]) -> list[tuple[Word, ...]] | None:
    """`-la` as two flags; a flag with a value takes what remains of the word, or else the next one."""
    flags: list[tuple[Word, ...]] = []
    for place, letter in enumerate(text[1:], 1):
        if letter not in known.valued:
            flags.append((Word(known.long.get("-" + letter, "-" + letter)),))
            continue
        if not text[place + 1 :] and not rest:
            return None
        value = Word(text[place + 1 :]) if text[place + 1 :] else rest.pop(0)
        return [*flags, (Word("-" + letter), value)]
    return flags


def _without_dot(word: Word) -> Word:
    found = re.match(r"(?:\./+)+(?=[^-/.])", word.text)
    return replace(word, text=word.text[found.end() :]) if found else word
