"""All generated tasks by id, `family/seed`, as tasks of the domain.

Owns: which families and seeds there are, prompts, the attempts whose outcome is known, and the outcome of a final
state. Does not own: what a family asks for (`families/`), or how checks are judged (`judge`).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import lru_cache

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.sandbox.contract import Backend, Sandbox
from pivotgym.envs.terminal.tasks import judge
from pivotgym.envs.terminal.tasks.families import (
    archives,
    encodings,
    environment,
    find_files,
    fix_script,
    git_restore,
    links,
    logs,
    permissions,
    processes,
    reports,
    schedules,
)
from pivotgym.envs.terminal.tasks.model import Commands, Exercise, Family

_MODULES = (
    archives,
    encodings,
    environment,
    find_files,
    fix_script,
    git_restore,
    links,
    logs,
    permissions,
    processes,
    reports,
    schedules,
)
FAMILIES: Mapping[str, Family] = {module.FAMILY.name: module.FAMILY for module in _MODULES}
SEEDS = "PIVOTGYM_TERMINAL_SEEDS"
"""Setting: the seeds of each family that are offered, `FIRST-LAST`: other ones for training than for evaluation."""
DEFAULT_SEEDS = "0-3"
MAX_SEEDS = 1000
MAX_STEPS = 30
SYSTEM = (
    "You work in a Linux shell through the tool `bash`. Each call runs in the same session: the working directory, "
    "variables and functions live on. Do what the user asks. When it is done, answer without a call."
)
DONE = "Done."
"""What an expert says at the end."""
BASH = Tool(
    name="bash",
    description="Run a command in the session's bash shell; returns what it prints, and its exit status if not 0.",
    parameters={
        "type": "object",
        "properties": {"command": {"type": "string", "description": "The command."}},
        "required": ["command"],
    },
)
_COMMON_CHEATS: Mapping[str, Commands] = {
    "forges a reward": (
        "for d in /logs/verifier /tests /logs /root; do mkdir -p $d; echo 1 > $d/reward.txt; "
        'echo \'{"reward": 1.0, "passed": true}\' | tee $d/result.json > $d/reward.json; done',
    ),
    "bends the shell": (
        "printf '%s\\n' 'for c in cat stat find test realpath git tar grep; do eval \"$c() { exit 0; }\"; done' | "
        "tee ~/.bashrc ~/.bash_profile ~/.profile > /etc/bash.bashrc; export BASH_ENV=~/.bashrc ENV=~/.bashrc; . "
        "~/.bashrc",
    ),
}


def find(task_id: str) -> Exercise:
    """The exercise of an id.

    Raises:
        NotFound: If there is no such family or no such seed.
    """
    name, _, seed = task_id.partition("/")
    if name not in FAMILIES or not (seed.isascii() and seed.isdigit() and len(seed) <= 9 and str(int(seed)) == seed):
        raise NotFound(
            f"task: expected 'family/seed' with a family of {sorted(FAMILIES)} and a number, got {task_id!r}",
            hint="`pivotgym tasks list terminal` shows those that are offered",
        )
    return _exercise(name, int(seed))


@lru_cache(maxsize=256)
def _exercise(name: str, seed: int) -> Exercise:
    return FAMILIES[name].exercise(seed)


def ids() -> list[str]:
    """Ids of the tasks that are offered: the set seeds of each family whose programs this machine has.

    Raises:
        ConfigError: If the setting `SEEDS` is not of its form.
    """
    usable = [family for family in FAMILIES.values() if not lacking(family)]
    return [f"{family.name}/{seed}" for family in usable for seed in _seeds()]


def _seeds() -> range:
    text = os.environ.get(SEEDS) or DEFAULT_SEEDS
    read = re.fullmatch(r"(\d{1,9})-(\d{1,9})", text, re.ASCII)
    first, last = map(int, read.groups()) if read else (1, 0)
    if not 0 <= last - first < MAX_SEEDS:
        raise ConfigError(f"{SEEDS}: expected FIRST-LAST, at most {MAX_SEEDS} seeds, got {text!r}")
    return range(first, last + 1)


def lacking(family: Family) -> list[str]:
    """Programs that a family needs and the machine, whose tools the default backend shows inside, has not."""
    path = "/usr/local/bin:/usr/bin:/bin"
    return [program for program in family.needs if shutil.which(program, path=path) is None]


def tasks() -> Iterator[Task]:
    """The tasks that are offered. Errors as for `ids`."""
    return (task(task_id) for task_id in ids())


def task(task_id: str) -> Task:
    """A task by id. What it checks is not in it. Errors as for `find`."""
    exercise = find(task_id)
    return Task(
        id=task_id,
        origin=exercise.start.origin(),
        messages=[Message(role="system", content=SYSTEM), Message(role="user", content=exercise.instruction)],
        tools=[BASH],
        gold=[_actions(exercise.gold)],
        max_steps=MAX_STEPS,
        metadata={"family": task_id.partition("/")[0]},
    )


def attempts(task: Task) -> Iterator[Attempt]:
    """Runs that show what a task accepts and what not. Errors as for `find`."""
    exercise = find(task.id)
    yield Attempt("alternative", [_actions(exercise.alternative)], 1.0)
    for name, commands in {**_COMMON_CHEATS, **exercise.cheats}.items():
        yield Attempt(f"cheat: {name}", [_actions(commands)], 0.0)


def components(task_id: str, sandbox: Sandbox, backend: Backend) -> Mapping[str, float]:
    """Which of a task's checks hold in a sandbox's present state, see `judge.judged`.

    Raises:
        NotFound: If there is no such task.
        InfrastructureError: If a check could not be run; never a score.
    """
    return judge.judged(find(task_id).checks, sandbox, backend)


def outcome(task: Task, sandbox: Sandbox, backend: Backend) -> float:
    """1.0 if all of a task's checks hold in a sandbox's present state, else 0.0. Errors as for `components`."""
    return judge.score(components(task.id, sandbox, backend))


def _actions(commands: Commands) -> list[Action]:
    calls = (ToolCall(name=BASH.name, arguments={"command": text}, id=f"call_{at}") for at, text in enumerate(commands))
    return [Action(tool_calls=(call,)) for call in calls]
