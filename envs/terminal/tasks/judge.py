"""The outcome of a task: its checks, on fresh machines over the policy's final files.

Owns: how far a final state can be trusted, and the combination of checks. Does not own: the checks (`checks`).

The policy's shell is not used: its functions, aliases, variables and processes are gone, and the new shell reads none
of its start files. What the policy could bend besides are the machine's own programs, so a final state in which those
(or the dynamic linker's configuration) were changed is not a solution. A check that runs something of the policy's has
a machine of its own, so that it cannot change what another sees. Nothing in the sandbox says which checks there are,
and no file in it is read as a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace

from pivotgym.core.errors import PivotRefused
from pivotgym.envs.sandbox.contract import Backend, Sandbox, ShellState
from pivotgym.envs.terminal.tasks.checks import Check

CLEAN = ShellState(
    cwd="/",
    umask=0o022,
    environment={
        "HOME": "/root",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
    },
)
"""The shell in which checks run: nothing of the policy's configuration is read."""
_SYSTEM_FOLDERS = {"usr", "bin", "sbin", "lib", "lib32", "lib64"}
_SYSTEM_FILES = ("/etc/ld.so", "/etc/alternatives")


def judged(checks: Sequence[Check], sandbox: Sandbox, backend: Backend) -> Mapping[str, float]:
    """Which checks hold in a sandbox's present state: 1.0 or 0.0 by the check's name.

    `system` is 0.0 where the machine's own programs were changed, `idle` where a program still has the terminal; then
    nothing else was checked.

    Raises:
        InfrastructureError: If a check could not be run; never a score.
    """
    if any(map(_of_the_system, sandbox.changes())):
        return {"system": 0.0}
    try:
        final = replace(sandbox.save(), shell=CLEAN)
    except PivotRefused:
        return {"idle": 0.0}
    found = {}
    with closing(backend.open(final)) as shared:
        for check in checks:
            with nullcontext(shared) if check.reads_only else closing(backend.open(final)) as fresh:
                found[check.name] = float(check.holds(fresh))
    return found


def score(components: Mapping[str, float]) -> float:
    """1.0 where every component is, else 0.0."""
    return float(all(value == 1.0 for value in components.values()))


def _of_the_system(path: str) -> bool:
    """Whether a changed path could make checks lie; what Python caches beside its own modules could not be helped."""
    of_system = path.split("/")[1] in _SYSTEM_FOLDERS or path.startswith(_SYSTEM_FILES)
    return of_system and "/__pycache__" not in path
