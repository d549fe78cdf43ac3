"""A session after two actions: what its shell was told, and what runs on in the background.

Owns: when two texts of definitions come to the same, and which programs run on. Does not own: reading them from a
machine (`envs.sandbox`), or the working directory, umask and exported variables (`verifiers.shell.effects`).

Functions, aliases, traps and options change what later commands do, so they always count; so do the variables by which
bash itself goes (`IFS`, `CDPATH`, ...). Other variables that are not exported are mostly left over (the name of a
loop), and count only where setting them is all that the expert does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_VARIABLE = re.compile(r"declare -\S+ (\w+)")
_BASHS_OWN = frozenset({"BASH_ENV", "CDPATH", "ENV", "EXECIGNORE", "FIGNORE", "GLOBIGNORE", "IFS", "POSIXLY_CORRECT"})
_WRAPPERS = frozenset({"bash", "dash", "env", "nice", "nohup", "setsid", "sh", "stdbuf", "timeout"})
"""Programs that only run others."""


def same_definitions(expert: str, candidate: str, *, variables: bool) -> bool:
    """Whether two shells were told the same.

    Args:
        expert: Bash text that recreates what a shell holds: a variable's `declare` or another thing in each line.
        candidate: The same of the other shell.
        variables: Whether the expert's variables count, too; what the candidate has beyond them never does.
    """
    ours, theirs = _read(expert), _read(candidate)
    if ours[0] != theirs[0]:
        return False
    names = ours[1].keys() if variables else (ours[1].keys() | theirs[1].keys()) & _BASHS_OWN
    return all(ours[1].get(name) == theirs[1].get(name) for name in names)


def running(processes: Iterable[str]) -> set[str]:
    """The programs that run on in the background, by name, without version numbers and what only runs others."""
    names = [{_program(word) for word in line.split()[:1]} for line in processes]
    found = {name for line in names for name in line}
    return found - _WRAPPERS or found


def _program(word: str) -> str:
    return re.sub(r"[\d.]+$", "", word.rpartition("/")[2]) or word


def _read(text: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """Everything but variables, in order, and the variables by name."""
    others: list[str] = []
    variables: dict[str, str] = {}
    for line in text.splitlines():
        found = _VARIABLE.match(line)
        if found:
            variables[found[1]] = line
        else:
            others.append(line)
    return others, variables
