"""A shell's state as bash reports it, read into a `ShellState`.

Owns: what of a dump is the session's own and what is bash's, and the text that recreates it. Does not own: how bash
is made to report (`envs.sandbox.shell.driver`).

What equals a fresh shell's is left out, so that equal sessions have equal states on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pivotgym.envs.sandbox.contract import ShellState
from pivotgym.envs.sandbox.shell.driver import FIELDS
from pivotgym.envs.sandbox.shell.quoting import quote, read_word, to_text

_OWN = re.compile(
    r"BASH(?!_ENV$|_COMPAT$|_XTRACEFD$).*|COLUMNS|COMP_WORDBREAKS|COPROC|DIRSTACK|EPOCH.*|EUID|FUNCNAME|GROUPS|HIST.*|LINENO"
    r"|LINES|MAILCHECK|PIPESTATUS|PPID|PROMPT_COMMAND|PS0|PWD|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|UID|_"
    r"|__pivotgym_.*"
)
"""Variables that bash keeps itself, or that depend on the terminal."""
_OWN_EXPORTED = frozenset({"BASHOPTS", "PWD", "SHELLOPTS", "SHLVL", "_"})
_MODES = frozenset({"emacs", "execfail", "expand_aliases", "hashall", "histexpand", "history", "login_shell", "monitor",
                    "checkwinsize", "restricted_shell", "vi"})  # fmt: skip
"""Options that say how the shell was started, not what the session did. `expand_aliases` is written with aliases."""
_BAD_EXPORT = frozenset("aAn")


@dataclass(frozen=True)
class Variable:
    """One line of `declare -p`.

    Attributes:
        name: Its name.
        flags: Attribute letters, sorted: `x` exported, `r` readonly, `a` and `A` arrays, `i`, `n`, `l`, `u`, `c`, `t`.
        value: Bytes; for arrays pairs of key and value, sorted for `A` (bash's order there says how it was filled);
            `None` for declared but not set.
    """

    name: str
    flags: str
    value: bytes | tuple[tuple[bytes, bytes], ...] | None

    def text(self) -> str:
        """Bash text that recreates it."""
        start = f"declare -{self.flags or '-'} {self.name}"
        if self.value is None:
            return start
        if isinstance(self.value, bytes):
            return f"{start}={quote(self.value)}"
        return f"{start}=({' '.join(f'[{quote(key)}]={quote(value)}' for key, value in self.value)})"


@dataclass(frozen=True)
class Report:
    """What a shell said of itself after a command.

    Attributes:
        fields: Raw fields by name, see `driver.FIELDS`.
    """

    fields: Mapping[str, bytes]

    @classmethod
    def read(cls, raw: bytes) -> Report:
        """Split a whole report, its last NUL included.

        Raises:
            ValueError: If it has not the fields of a report: the command has broken the shell.
        """
        parts = raw.split(b"\0")
        if len(parts) != len(FIELDS) + 1 or not parts[0].isdigit():
            raise ValueError(f"a report of {len(parts) - 1} fields, expected {len(FIELDS)}")
        return cls(dict(zip(FIELDS, parts, strict=False)))

    @property
    def exit(self) -> int:
        """Exit status of the command."""
        return int(self.fields["status"])

    @property
    def lost(self) -> bool:
        """Whether it has the status alone; `driver.again` asks for the rest."""
        return not self.fields["cwd"]

    @property
    def resume(self) -> str:
        """Bash text that switches on again what the report had to switch off."""
        flags = "".join(flag for flag in "evx" if flag.encode() in self.fields["flags"])
        lines = [f"builtin set -{flags}"] if flags else []
        return "; ".join([*lines, *_traps(self.fields["debug"])])

    def state(self, fresh: Report) -> ShellState:
        """The session's state, less what the fresh shell had."""
        now, before = _variables(self), _variables(fresh)
        environment = {
            name: to_text(variable.value)
            for name, variable in now.items()
            if _is_environment(variable) and isinstance(variable.value, bytes)
        }
        return ShellState(
            cwd=to_text(self.fields["cwd"]).removesuffix("\n") or "/",
            umask=int(self.fields["umask"], 8),
            environment=environment,
            definitions="\n".join(_definitions(self, now, before)),
        )


def _variables(report: Report) -> dict[str, Variable]:
    return {variable.name: variable for variable in read_variables(report.fields["variables"])}


def read_variables(raw: bytes) -> Iterator[Variable]:
    """The variables in what `declare -p` printed.

    Raises:
        ValueError: If it is not what bash prints.
    """
    at = 0
    while at < len(raw):
        if not (head := re.compile(rb"declare -(\S+) (\w+)(=?)").match(raw, at)):
            raise ValueError(f"not a line of `declare -p`: {raw[at : at + 60]!r}")
        flags, name = "".join(sorted(head[1].decode().replace("-", ""))), head[2].decode()
        value: bytes | tuple[tuple[bytes, bytes], ...] | None = None
        at = head.end()
        if head[3]:
            value, at = _read_array(raw, at) if raw.startswith(b"(", at) else read_word(raw, at)
        yield Variable(name, flags, tuple(sorted(value)) if isinstance(value, tuple) and "A" in flags else value)
        at += 1


def _read_array(raw: bytes, at: int) -> tuple[tuple[tuple[bytes, bytes], ...], int]:
    pairs = []
    at += 1
    while raw[at : at + 1] != b")":
        key, ended = read_word(raw, at + 1, stops=b"]")  # bash quotes no `=` in a key
        if not raw.startswith(b"[", at) or not raw.startswith(b"]=", ended):
            raise ValueError(f"not an array as `declare -p` prints it: {raw[at : at + 60]!r}")
        value, at = read_word(raw, ended + 2)
        pairs.append((key, value))
        at += raw[at : at + 1] == b" "
    return tuple(pairs), at + 1


def _is_environment(variable: Variable) -> bool:
    exported = "x" in variable.flags and not _BAD_EXPORT & set(variable.flags)
    return exported and variable.value is not None and variable.name not in _OWN_EXPORTED


def _definitions(report: Report, now: Mapping[str, Variable], before: Mapping[str, Variable]) -> list[str]:
    # Options that change how text is read come first, then variables (arrays need `declare` itself, which a function
    # may hide), then functions, then aliases, which are expanded already in the functions' text.
    lines = _options("BASHOPTS", "shopt -s", "shopt -u", now, before)
    lines += [text for name in sorted(now) if (text := _variable(now[name], before.get(name)))]
    gone = (name for name in sorted(before) if name not in now and not _OWN.fullmatch(name) and name != "OLDPWD")
    lines += [f"unset -v {name}" for name in gone]
    if report.fields["functions"]:
        lines += ["shopt -u expand_aliases", to_text(report.fields["functions"]).removesuffix("\n")]
        marks = [line.removeprefix("declare -f") for line in to_text(report.fields["marks"]).splitlines()]
        lines += ["builtin shopt -s expand_aliases"]
        lines += [f"builtin declare -f{mark}" for mark in marks if not mark.startswith(" ")]
    lines += [f"builtin pushd -n {word} >/dev/null" for word in reversed(_words(report.fields["stack"])[1:])]
    if arguments := _words(report.fields["arguments"]):
        lines.append(f"builtin set -- {' '.join(arguments)}")
    lines += to_text(report.fields["aliases"]).removesuffix("\n").splitlines()
    lines += _traps(report.fields["traps"])
    flags = report.fields["flags"]
    lines += _options("SHELLOPTS", "set -o", "set +o", now, before)
    return [*lines, *(f"builtin set -{flag}" for flag in "vex" if flag.encode() in flags)]


def _variable(variable: Variable, before: Variable | None) -> str:
    if variable == before or variable.name in ("OLDPWD", *_OWN_EXPORTED):
        return ""
    if _is_environment(variable):
        flags = variable.flags.replace("x", "")
        return f"declare -{flags} {variable.name}" if flags else ""
    return "" if _OWN.fullmatch(variable.name) else variable.text()


def _options(
    variable: str, on: str, off: str, now: Mapping[str, Variable], before: Mapping[str, Variable]
) -> list[str]:
    """What differs from the fresh shell in one of the two lists of options that bash keeps as variables."""
    have, had = (
        frozenset(value.decode().split(":")) if isinstance(value := names[variable].value, bytes) else frozenset()
        for names in (now, before)
    )
    quiet = _MODES | {"errexit", "xtrace", "verbose"}
    return [f"builtin {on} {name}" for name in sorted(have - had - quiet)] + [
        f"builtin {off} {name}" for name in sorted(had - have - quiet)
    ]


def _traps(raw: bytes) -> list[str]:
    """Lines like those of `trap -p`, each `trap -- TEXT SIGNAL`."""
    words = _words(raw)
    return [f"builtin trap -- {words[at + 2]} {words[at + 3]}" for at in range(0, len(words), 4)]


def _words(raw: bytes) -> list[str]:
    words, at = [], 0
    while at < len(raw):
        if raw[at : at + 1] in b" \n":
            at += 1
            continue
        start = at
        word, at = read_word(raw, at)
        words.append(quote(word))
        if at == start:
            raise ValueError(f"not words of bash: {raw[start : start + 60]!r}")
    return words
