"""The text that a session's bash is fed.

Owns: how bash is started, the line that runs one command, the line that makes it report, the text that restores a
state. Does not own: sending it (`envs.sandbox.shell.channel`) or reading the report (`envs.sandbox.shell.dump`).

Bash reads its *script* from the control descriptor, one line at a time and not a byte more. So a command is an `eval`
at the top level of a script that has not ended yet: no loop that `break` could leave, no function that `return` could
end or `declare` would be local to, no helper variable or function that a command could see. It is started with `-i`
so that an error that ends a script (`set -u`, `${x?}`, a failing `exec`) ends the command only, as in a session.

Report and control stand on high descriptors which are closed while a command runs (bash keeps the originals where no
child gets them). A report ends with NUL; so do its fields, since no value of bash holds one.
"""

from __future__ import annotations

import re

from pivotgym.envs.sandbox.contract import ShellState
from pivotgym.envs.sandbox.shell.quoting import octal, quote, to_bytes

CONTROL, REPORT = 197, 198
"""Where bash keeps the two descriptors: high, so that `exec 3<file` of a command is its own business."""

FIELDS = (
    "status", "flags", "cwd", "umask", "variables", "functions", "marks", "aliases", "traps", "debug", "stack",
    "arguments", "jobs",
)  # fmt: skip
"""What a report holds, in this order."""

_LONG = 8192
_INPUT, _MADE, _EXIT, _FLAGS, _DONE = (f"__pivotgym_{name}" for name in ("input", "made", "exit", "flags", "done"))
_NEUTRAL = "BASH_ARGV0=bash; \\builtin shopt -s execfail; \\builtin set +o history +o histexpand"
# A command may have redefined `builtin`; a loop's variable, the one assignment that needs no builtin, keeps the status
# meanwhile. What would fire in these lines (`set -x`, traps) is switched off by them, and on again by `command`.
_PRINTS = (
    f'\\builtin printf "%s\\0%s" "${_EXIT}" "${{{_FLAGS}:-$-}}"',
    "\\builtin pwd",
    "\\builtin umask",
    "\\builtin declare -p",
    "\\builtin declare -f",
    "\\builtin declare -F",
    "\\builtin alias -p",
    "\\builtin trap -p",
    "\\builtin trap -p DEBUG ERR RETURN",
    '\\builtin printf "%s " "${DIRSTACK[@]@Q}"',
    '\\builtin printf "%s " "${@@Q}"',
    "\\builtin jobs -pr",
)
_MARK = '\\builtin printf "\\0"'
_QUIET = "\\builtin set +exv; \\builtin trap - DEBUG ERR RETURN"
_SAY = f" >&{REPORT}; "
_PRINT = f"\\unset -f builtin; {f'{_SAY}{_MARK}{_SAY}'.join(_PRINTS)}{_SAY}"
# An unfinished `[[` leaves bash 5.2's parser in a state in which the next one fails: let that be this one.
_MEND = '\\builtin eval "[[ a ]]"'
_LAST = f"{_MEND}; \\builtin unset -v {_EXIT} {_FLAGS}; {_MARK}{_SAY}"
_REPORTS = f'for {_EXIT} in "$?"; do {_PRINT}{_QUIET}; {_DONE}=; {_LAST}done >&- 2>&-'
# Some errors (`set -u; let x`) make bash skip the rest of the line. Then this, the next, reports the status alone.
_LATE = f'\\builtin printf "${{{_DONE}-%s{chr(92)}0{(len(FIELDS) - 1) * (chr(92) + "0")}}}" "$?" >&{REPORT}'
_AFTER = f"; {_REPORTS}\n{{ {_LATE}; \\builtin unset -v {_DONE}; }} 2>&-\n"
# At a prompt nothing is switched off: bash itself keeps `$?` and `$_` there.
_AT_PROMPT = f'for {_EXIT} in "$?"; do {_PRINT}{_LAST}done >&- 2>&-'

# `eval` fails when its last command does, and `set -e` acts on that where it leaves the command itself alone
# (`! true`, `a && b`). So it is switched off at the end of the text; only where it is set, for in an open here-document
# that line is text.
_ERREXIT = re.compile(r"\bset\s+([-\w]+\s+)*-\w*e|\berrexit\b")
_GUARD = f"{{ {_EXIT}=$? {_FLAGS}=$-; \\builtin set +e; ( \\builtin exit ${_EXIT} ); }} 2>/dev/null"

# An unfinished `$(` or `<(` in what is evaluated damages bash 5.2's memory: it dies some commands later.
DAMAGED = re.compile(rb"^bash: eval: line \d+: unexpected EOF while looking for matching `\)'\n\Z", re.MULTILINE)
"""How standard error ends after a command that leaves a bash which is not to be used any more."""

TERM = "screen"
"""What the emulated terminal is nearest to, and what tmux calls itself."""


def argv(control: str = "/dev/fd/3") -> list[str]:
    """The command line of a session's bash. To be started with an empty environment and standard input at /dev/null.

    Args:
        control: The path inside under which bash opens its end of the control pipe: `/dev/fd/N` or a fifo.
    """
    return ["bash", "--norc", "--noprofile", "-i", control]


def opening(control: str = "/dev/fd/3", report: str = "/dev/fd/4") -> bytes:
    """The first line: puts the descriptors where they stay and reports the fresh shell.

    Args:
        control: As for `argv`.
        report: The path inside of the pipe that reports go to.
    """
    return f"exec {CONTROL}<{control} {REPORT}>{report} {_closing(control, report)}; {_NEUTRAL}{_AFTER}".encode()


def terminal_argv(control: str = "/dev/fd/3") -> list[str]:
    """The command line of a terminal's bash. To be started with an empty environment, on a pty.

    Args:
        control: As for `argv`; here bash reads its start file to the end.
    """
    return ["bash", "--noprofile", "--rcfile", control, "-i"]


def start_file(state: ShellState, control: str = "/dev/fd/3", report: str = "/dev/fd/4") -> bytes:
    """What a terminal's bash reads first: it reports itself fresh, restores a state, and reports at every prompt.

    Args:
        state: The state to begin in.
        control: As for `argv`.
        report: As for `opening`.
    """
    lines = [
        f"exec {REPORT}>{report} {_closing(control, report)}",
        rf"export TERM={TERM} PS1='\u@\h:\w\$ '; export -n PS1; unset -v HISTFILE; \builtin shopt -s execfail",
        _AT_PROMPT,
        restore_text(state),
        f"PROMPT_COMMAND={quote(_AT_PROMPT)}",
    ]
    return "\n".join([*lines, ""]).encode()


def _closing(*paths: str) -> str:
    return " ".join(f"{path.removeprefix('/dev/fd/')}>&-" for path in paths if path.startswith("/dev/fd/"))


def restoring(state: ShellState) -> bytes:
    """The line that brings a fresh shell into a state and reports it."""
    return _line(restore_text(state))


def again(status: int) -> bytes:
    """The line that makes the shell report itself after a report that had the status alone."""
    return f"{_shown(status)}{_AFTER}".encode()


def restore_text(state: ShellState) -> str:
    """Bash text that brings a fresh shell into a state; a part that fails leaves the rest alone.

    Names that bash cannot hold as variables are left out of the environment.
    """
    parts = [_enter(state.cwd), "\\builtin unset -v OLDPWD; \\builtin export OLDPWD"]
    names = (name for name in state.environment if name.isidentifier() and name.isascii())
    parts += [f"\\builtin export {name}={quote(state.environment[name])}" for name in names]
    parts.append(f"\\builtin umask {state.umask:04o}")
    if state.definitions:
        parts.append(f"\\builtin eval {quote(state.definitions)}")
    return "\n".join(parts)


def command(text: str, *, before: str = "", last: int = 0, stdin: bytes = b"") -> bytes:
    """The line that runs one command and reports.

    Args:
        text: The command, any text; NUL is dropped as bash does.
        before: Bash text run just before in the same `eval`: what the last report switched off (`set -x`, traps).
        last: Exit status that `$?` shows at the beginning, 0 to 255.
        stdin: Standard input; empty leaves it at /dev/null.
    """
    given = f" < <(\\builtin printf %b {octal(stdin)})" if stdin else ""
    if _ERREXIT.search(text) or _ERREXIT.search(before):
        text = f"{text}\n{_GUARD}"
    if before:
        text = f"{{ {before}; {_shown(last)}; }} >/dev/null 2>&1\n{text}"
    return _line(text, status=last, given=given)


def _shown(status: int) -> str:
    """Sets `$?`, by conditions, which `set -e` leaves alone."""
    true = "\\builtin true"
    return {0: true, 1: f"! {true}"}.get(status, f"( \\builtin exit {status} ) && {true}")


def _line(text: str, *, status: int = 0, given: str = "") -> bytes:
    word, closed = quote(to_bytes(text)), f"{CONTROL}<&- {REPORT}>&-"
    shown = _shown(status)
    line = f"{shown}; \\builtin eval {word}{given} {closed}{_AFTER}"
    if len(line) < _LONG:
        return line.encode()
    # Bash reads a script from a pipe byte by byte; `read -N` takes it in large pieces.
    inner = f"\\builtin eval {word}{given}"
    take = f"\\builtin read -r -N {len(inner)} -u {CONTROL} {_INPUT}"
    run = f'\\builtin eval "\\builtin unset -v {_INPUT}; {shown}; ${_INPUT}" {closed}{_AFTER}'
    return f"{take}\n{inner}{run}".encode()


def _enter(cwd: str) -> str:
    """`cd`, also into a folder that was deleted under the shell: it is made, entered and deleted again."""
    parents = ["/".join(cwd.split("/")[: depth + 1]) for depth in range(1, cwd.count("/") + 1)]
    made = "".join(
        f'[ -d {path} ] || {{ mkdir -- {path} && {_MADE}=({path} "${{{_MADE}[@]}}"); }}; '
        for path in map(quote, parents)
    )
    enter = f"\\builtin cd -- {quote(cwd)}"
    return f'{enter} 2>/dev/null || {{ {made}{enter}; rmdir -- "${{{_MADE}[@]}}"; \\builtin unset -v {_MADE}; }}'
