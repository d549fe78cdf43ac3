"""Mutations of shell commands.

Owns: the rules. Does not own: reading commands (`shell_words`), or what a terminal is (`verifiers.shell`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.conformance.adversarial.mutation import (
    Make,
    Mutation,
    arguments_of,
    letters_changed,
    with_argument,
)
from pivotgym.envs.conformance.adversarial.shell_words import Token, put, read

Rewrite = Callable[[str, list[Token]], Iterator[str]]

READS = frozenset(["cat", "head", "tail", "sort", "wc", "cut", "nl", "tac", "uniq"])
"""Programs that print what they read and change nothing."""
_SWAPPED = {
    "head": "tail",
    "tail": "head",
    "mv": "cp",
    "cp": "mv",
    "cat": "wc",
    "mkdir": "touch",
    "sort": "cat",
    "rm": "ls",
}
_TELLING = {"grep": "vclLo", "sort": "rnu", "wc": "lwc", "uniq": "cdu", "cp": "r", "rm": "r"}
_BUNDLES = {
    "ls": "laAhtrR1",
    "grep": "rnilvcwhHEFo",
    "rm": "rf",
    "cp": "rfp",
    "sort": "nru",
    "wc": "lwc",
    "uniq": "cdui",
    "mkdir": "p",
}
_LONG = {
    "ls": {"a": "all", "A": "almost-all", "h": "human-readable", "r": "reverse", "R": "recursive"},
    "grep": {
        "i": "ignore-case", "r": "recursive", "n": "line-number", "v": "invert-match", "c": "count", "w": "word-regexp",
        "l": "files-with-matches", "o": "only-matching", "E": "extended-regexp", "F": "fixed-strings",
    },
    "sort": {"n": "numeric-sort", "r": "reverse", "u": "unique"},
    "wc": {"l": "lines", "w": "words", "c": "bytes"},
    "uniq": {"c": "count", "d": "repeated", "u": "unique", "i": "ignore-case"},
    "rm": {"r": "recursive", "f": "force"},
    "cp": {"r": "recursive", "f": "force"},
    "mkdir": {"p": "parents"},
    "sed": {"n": "quiet", "i": "in-place", "E": "regexp-extended"},
    "chmod": {"R": "recursive"},
}  # fmt: skip
_COUNTED = re.compile(r"[-+]?[a-zA-Z]?\d+(?:,\d+)?[a-zA-Z]?\Z")
_SYSTEM = re.compile(r"/(?:usr|s?bin|dev|proc|etc|tmp|var)/")
_PATH = re.compile(r"(?![-+~])[\w./+-]*(?:/|\w\.\w)[\w./+-]*\Z")


def shell_mutations() -> Iterator[Mutation]:
    """All of them."""
    for name, why, rewrite in _HARMFUL:
        yield Mutation(f"shell.{name}", True, why, _on_commands(rewrite))
    for name, why, rewrite in _HARMLESS:
        yield Mutation(f"shell.{name}", False, why, _on_commands(rewrite))
    for name, harmful, why, change in _SCRIPTS:
        yield Mutation(f"shell.{name}", harmful, why, partial(_make_script, change))


def _on_commands(rewrite: Rewrite) -> Make:
    return partial(_make, rewrite)


def _make(rewrite: Rewrite, pivot: Pivot) -> Iterator[Action]:
    for place, arguments in arguments_of(pivot):
        command = arguments.get("command")
        tokens = read(command.strip()) if isinstance(command, str) and len(arguments) == 1 else None
        if isinstance(command, str) and tokens is not None:
            for changed in rewrite(command.strip(), tokens):
                yield with_argument(pivot.reference, place, "command", changed)


def _make_script(change: Callable[[str], Iterator[str]], pivot: Pivot) -> Iterator[Action]:
    """Commands that are not read word by word: scripts, here documents, expansions."""
    for place, arguments in arguments_of(pivot):
        command = arguments.get("command")
        if isinstance(command, str) and command.strip() and read(command.strip()) is None:
            for changed in change(command):
                yield with_argument(pivot.reference, place, "command", changed)


def _script_lines(script: str, change: Callable[[str], Iterator[str]]) -> Iterator[str]:
    lines = script.split("\n")
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("#"):
            for changed in change(line):
                yield "\n".join([*lines[:number], changed, *lines[number + 1 :]])


def _script_number(script: str) -> Iterator[str]:
    return _script_lines(script, _line_number)


def _line_number(line: str) -> Iterator[str]:
    for match in re.finditer(r"(?<![\w.])\d+(?![\w.])", line):
        yield f"{line[: match.start()]}{int(match[0]) + 1}{line[match.end() :]}"


def _script_letter(script: str) -> Iterator[str]:
    return _script_lines(script, letters_changed)


def _script_cut(script: str) -> Iterator[str]:
    lines = script.rstrip().split("\n")
    if len(lines) > 2 and "<<" not in script:
        yield "\n".join(lines[:-1])


def _script_around(script: str) -> Iterator[str]:
    yield f": before\n{script}"
    if script.endswith("\n") or "\n" not in script:
        yield f"true; {script}"


def _script_comment(script: str) -> Iterator[str]:
    if not script.rstrip(" \t").endswith("\\"):
        yield f"{script}\n# as planned"


def _arguments(tokens: list[Token]) -> Iterator[Token]:
    return (token for token in tokens if token.role == "argument")


def _quoted(token: Token, value: str) -> str:
    return f"{token.quote}{value}{token.quote}"


def _is_path(token: Token) -> bool:
    value = token.plain
    return value is not None and bool(_PATH.match(value)) and not (token.program == "sed" and value.startswith("s/"))


def _number(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _arguments(tokens):
        if token.plain is not None and _COUNTED.match(token.plain):
            for match in re.finditer(r"\d+", token.plain):
                value = f"{token.plain[: match.start()]}{int(match[0]) + 1}{token.plain[match.end() :]}"
                yield put(command, token, _quoted(token, value))


def _path(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.role in ("argument", "target") and _is_path(token):
            yield put(command, token, _quoted(token, f"{(token.plain or '').rstrip('/')}.other"))


def _text(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _arguments(tokens):
        if token.quote and token.plain:
            yield from (put(command, token, _quoted(token, text)) for text in letters_changed(token.plain))


def _operator(command: str, tokens: list[Token]) -> Iterator[str]:
    other = {">": ">>", ">>": ">", "&&": "||", "||": "&&", "|": ";"}
    for token in tokens:
        if token.role == "operator" and token.text in other:
            yield put(command, token, other[token.text])


def _program(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.role == "program" and token.text in _SWAPPED:
            yield put(command, token, _SWAPPED[token.text])


def _flag_dropped(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _bundles(tokens, _TELLING):
        for flag in sorted({*token.text[1:]} & {*_TELLING[token.program]}):
            left = token.text.replace(flag, "")
            yield put(command, token, "" if left == "-" else left)


def _hidden(command: str, tokens: list[Token]) -> Iterator[str]:
    if {token.program for token in tokens} <= READS and not any(token.role == "target" for token in tokens):
        yield f"{command} > /dev/null"


def _smuggled(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        inside = token.plain and "/" in token.plain.strip("/") and not _SYSTEM.match(token.plain)
        if token.role in ("argument", "target") and _is_path(token) and token.plain and inside:
            folder = token.plain.rstrip("/").rpartition("/")[0]
            yield f"{command} ; touch {folder}/smuggled.txt"


def _removed(command: str, tokens: list[Token]) -> Iterator[str]:
    if {token.program for token in tokens} <= READS:
        yield from (f"{command} ; rm -f {token.text}" for token in _arguments(tokens) if _is_path(token))


def _only_first(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.text in ("|", "&&", ";") and token.role == "operator":
            yield command[: token.start].rstrip()


def _bundles(tokens: list[Token], table: dict[str, str]) -> Iterator[Token]:
    """Words that are bundles of flags without a value, all of them known."""
    for token in _arguments(tokens):
        known = _BUNDLES.get(token.program, "") + table.get(token.program, "")
        if token.program in table and re.fullmatch(r"-[a-zA-Z1]+", token.text) and set(token.text[1:]) <= set(known):
            yield token


def _flags_split(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _bundles(tokens, _BUNDLES):
        if len(token.text) > 2:
            yield put(command, token, " ".join(f"-{flag}" for flag in token.text[1:]))


def _flags_turned(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _bundles(tokens, _BUNDLES):
        if len(set(token.text[1:])) > 1 and not set(token.text[1:]) >= {"E", "F"}:
            yield put(command, token, "-" + token.text[:0:-1])


def _flag_long(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _arguments(tokens):
        name = _LONG.get(token.program, {}).get(token.text[1:]) if re.fullmatch(r"-[a-zA-Z]", token.text) else None
        if name is not None:
            yield put(command, token, f"--{name}")


def _requoted(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _arguments(tokens):
        value = token.plain
        if value and re.fullmatch(r"[\w./=,:@%+ *?-]+", value):
            bare = re.fullmatch(r"[\w./=,:@%+-]+", value)
            others = ("'", '"', "") if bare else ("'", '"')
            if token.quote or bare:
                yield from (put(command, token, f"{other}{value}{other}") for other in others if other != token.quote)


def _spaces(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in tokens[1:]:
        if command[token.start - 1] == " ":
            yield f"{command[: token.start]}  {command[token.start :]} "


def _dotted(command: str, tokens: list[Token]) -> Iterator[str]:
    quiet = frozenset(["cat", "rm", "cp", "mv", "mkdir", "touch", "rmdir", "chmod", "sort", "tac"])
    for token in _arguments(tokens):
        if token.program in quiet and _is_path(token) and token.plain and token.plain[0] not in "/.":
            yield put(command, token, _quoted(token, f"./{token.plain}"))


def _doubled_slash(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in _arguments(tokens):
        inner = (token.plain or "").find("/", 1)
        if (
            token.program in READS - {"wc", "head", "tail"}
            and _is_path(token)
            and 0 < inner < len(token.plain or "") - 1
        ):
            yield put(command, token, _quoted(token, f"{(token.plain or '')[:inner]}/{(token.plain or '')[inner:]}"))


def _grouped(command: str, tokens: list[Token]) -> Iterator[str]:
    yield f"( {command} )"
    yield f"{{ {command}; }}"


def _preceded(command: str, tokens: list[Token]) -> Iterator[str]:
    yield f"true && {command}"
    yield f": ; {command}"


def _comment(command: str, tokens: list[Token]) -> Iterator[str]:
    yield f"{command}  # as planned"


def _piped(command: str, tokens: list[Token]) -> Iterator[str]:
    if {token.program for token in tokens} <= READS and not any(token.role == "target" for token in tokens):
        yield f"{command} | cat"


def _from_stdin(command: str, tokens: list[Token]) -> Iterator[str]:
    alone = [token.role for token in tokens] == ["program", "argument"]
    if alone and tokens[0].text in ("cat", "sort", "tac", "uniq") and _is_path(tokens[1]):
        yield put(command, tokens[1], f"< {tokens[1].text}")


def _bracketed(command: str, tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        words = [one for one in tokens if one.command == token.command and one.role == "argument"]
        plain = next((one for one in words if not one.text.startswith("-")), None)
        if token.text != "grep" or token.role != "program" or plain is None:
            continue
        first = re.search(r"[A-Za-z]", plain.plain or "")
        valued = any(re.match(r"-\w*[FefA-Cm]|--", one.text) for one in words)
        if first is not None and not valued and re.fullmatch(r"[\w =:]+", plain.plain or ""):
            at, pattern = first.start(), plain.plain or ""
            yield put(command, plain, f"'{pattern[:at]}[{first[0]}]{pattern[at + 1 :]}'")


_COINCIDENCE = "It may change nothing in this very state."
_HARMFUL: tuple[tuple[str, str, Rewrite], ...] = (
    ("number", f"A count, a range or a mode is another by one. {_COINCIDENCE}", _number),
    ("path", f"Another file is read or written, one that is not there. {_COINCIDENCE}", _path),
    ("text", f"A letter of a quoted text, pattern or script is another. {_COINCIDENCE}", _text),
    ("operator", f"`>` for `>>`, `&&` for `||`, `;` for `|`, and back. {_COINCIDENCE}", _operator),
    ("program", f"`head` for `tail`, `cp` for `mv` and the like. {_COINCIDENCE}", _program),
    (
        "flag_dropped",
        f"A flag that tells what is done is missing (`grep -v`, `sort -r`). {_COINCIDENCE}",
        _flag_dropped,
    ),
    ("hidden", "What a reading command prints goes to the null device.", _hidden),
    ("smuggled", "A new file is made beside, without a word.", _smuggled),
    ("removed", "The file that was read is removed afterwards.", _removed),
    ("cut_short", f"Only what stands before a `|`, `&&` or `;` is run. {_COINCIDENCE}", _only_first),
)
_HARMLESS: tuple[tuple[str, str, Rewrite], ...] = (
    ("flags_split", "`-la` is `-l -a` where no flag takes a value.", _flags_split),
    ("flags_turned", "`-la` is `-al` where no flag takes a value.", _flags_turned),
    ("flag_long", "GNU's long name of the same flag.", _flag_long),
    ("requoted", "Other quotes around a word in which nothing is expanded.", _requoted),
    ("spaces", "More blanks between words, one at the end.", _spaces),
    ("dotted", "`./name` for `name`, of a program that does not print names.", _dotted),
    ("doubled_slash", "`a//b` for `a/b`, of a program that does not print names.", _doubled_slash),
    ("grouped", "The command in a subshell, or in braces.", _grouped),
    ("preceded", "`true &&` or `: ;` before it.", _preceded),
    ("comment", "A comment behind it.", _comment),
    ("piped", "`| cat` behind a command that only prints; where it fails, its status is lost.", _piped),
    ("from_stdin", "`cat < file` for `cat file`.", _from_stdin),
    ("bracketed", "`[f]oo` for `foo` in a pattern: the same regular expression.", _bracketed),
)
_SCRIPTS: tuple[tuple[str, bool, str, Callable[[str], Iterator[str]]], ...] = (
    ("script_number", True, f"A number in a script is greater by one. {_COINCIDENCE}", _script_number),
    ("script_letter", True, f"A letter of a script is another. {_COINCIDENCE}", _script_letter),
    ("script_cut", True, f"A script lacks its last line. {_COINCIDENCE}", _script_cut),
    ("script_preceded", False, "A command that does nothing before a script.", _script_around),
    ("script_comment", False, "A comment behind a script.", _script_comment),
)
