"""The generated tasks by id, `package/number`: their issues, gold runs, attempts, and the outcome of a final state.

Owns: which tasks are offered and in which shape. Does not own: finding bugs (`generate`), judging (`judge`). A task's
bug is stored by its place and operator (`catalogue.yaml`); the package's code comes from the package itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import yaml

from pivotgym.core.errors import ConfigError, MissingDependency, NotFound
from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.sandbox.contract import Backend, Sandbox
from pivotgym.envs.swe.tasks import issues, judge
from pivotgym.envs.swe.tasks.cheats import cheats
from pivotgym.envs.swe.tasks.mutate import Mutation, mutation
from pivotgym.envs.swe.tasks.packages import Package, package, packages
from pivotgym.envs.swe.tasks.shapes import ROOT, SHAPES, Fix, Shape

HARNESS = "PIVOTGYM_SWE_HARNESS"
"""Setting: the shape of all generated tasks; without it they take turns."""
FAMILY = "sdist"
MAX_STEPS = 40


@dataclass(frozen=True)
class Bug:
    """One entry of `catalogue.yaml`.

    Attributes:
        id: `package/number`.
        number: Its position among all.
        path: The changed file, below the package's folder.
        line: Where the change is; `column` and `operator` say which it is.
        result: First digits of the SHA-256 of the changed file.
        fails: Ids of the tests that it breaks.
        shown: The failure that the issue tells.
    """

    id: str
    number: int
    path: str
    line: int
    column: int
    operator: str
    result: str
    fails: tuple[str, ...]
    shown: issues.Failure

    @property
    def package(self) -> Package:
        """Where it is."""
        return package(self.id.partition("/")[0])

    @cached_property
    def mutation(self) -> Mutation:
        """The change. Errors as for `files`."""
        return mutation(self.package.tree()[self.path].decode(), self.line, self.column, self.operator)

    def files(self) -> dict[str, bytes]:
        """The changed file.

        Raises:
            MissingDependency: If the package was not fetched.
            NotFound: If it is another one than the bug was found in.
        """
        content = self.mutation.apply(self.package.tree()[self.path].decode()).encode()
        if hashlib.sha256(content).hexdigest()[:16] != self.result:
            hint = "generate the tasks anew"
            raise NotFound(f"task {self.id!r}: the change gives another file than it did", hint=hint)
        return {self.path: content}

    def fix(self) -> Fix:
        """What an expert does. Errors as for `files`."""
        one = self.package
        before, after = self.files()[self.path].decode(), one.tree()[self.path].decode()
        return Fix(self.path, self.line, before, after, one.command)


@lru_cache(maxsize=1)
def bugs() -> Mapping[str, Bug]:
    """All entries by id."""
    given = yaml.safe_load(resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8"))
    found: dict[str, Bug] = {}
    for name in sorted(given):
        for place, entry in enumerate(given[name]):
            fields = {**entry, "fails": tuple(entry["fails"]), "shown": issues.Failure(**entry["shown"])}
            found[f"{name}/{place}"] = Bug(f"{name}/{place}", len(found), **fields)
    return found


def find(task_id: str) -> Bug:
    """The bug of a task.

    Raises:
        NotFound: If there is no such task.
    """
    found = bugs().get(task_id)
    if found is None:
        raise NotFound(
            f"task: expected 'package/number' with a package of {sorted(packages())}, got {task_id!r}",
            hint="`pivotgym tasks list swe` shows those that are offered",
        )
    return found


def shape_of(bug: Bug) -> Shape:
    """The tools of a task.

    Raises:
        ConfigError: If the setting `HARNESS` names none of the shapes.
    """
    name = os.environ.get(HARNESS) or sorted(SHAPES)[bug.number % len(SHAPES)]
    if name not in SHAPES:
        raise ConfigError(f"{HARNESS}: expected one of {sorted(SHAPES)}, got {name!r}")
    return SHAPES[name]


def tasks() -> Iterator[Task]:
    """The tasks of the packages that were fetched (`pivotgym fetch swe`)."""
    for bug in bugs().values():
        try:
            bug.package.tree()
        except MissingDependency:
            continue
        yield task(bug.id)


def task(task_id: str) -> Task:
    """A task by id. Neither its tests nor its bug is named in what a policy sees.

    Raises:
        NotFound: If there is none.
        MissingDependency: If its package was not fetched.
        ConfigError: As for `shape_of`.
    """
    bug = find(task_id)
    shape = shape_of(bug)
    return Task(
        id=task_id,
        origin=origin(bug, shape),
        messages=[Message(role="system", content=shape.system), Message(role="user", content=issue(bug))],
        tools=list(shape.tools),
        gold=[shape.gold(bug.fix())],
        max_steps=MAX_STEPS,
        metadata={"family": FAMILY, "package": bug.package.name, "operator": bug.operator, "harness": shape.harness},
    )


def origin(bug: Bug, shape: Shape) -> Origin:
    """The start of a task: the released package with the bug in it. Errors as for `Bug.files`."""
    one = bug.package
    old, new = bug.mutation.lines(one.tree()[bug.path].decode())
    change: dict[str, Any] = {"path": bug.path, "line": bug.line, "old": old, "new": new}
    return Origin(
        kind="sdist",
        package=one.name,
        version=one.sdist.version,
        sha256=one.sdist.sha256,
        workdir=ROOT,
        mutations=[change],
        harness=shape.harness,
        env={"PYTHONPATH": ":".join(f"{ROOT}/{folder}" for folder in one.path)} if one.path != (".",) else {},
    )


def issue(bug: Bug) -> str:
    """The text of the task. Errors as for `Bug.files`."""
    one = bug.package
    source = one.tree()[bug.shown.test.partition("::")[0]].decode()
    return issues.text(
        bug.shown,
        source,
        name=one.name,
        version=one.sdist.version,
        failing=len(bug.fails),
        tests=one.command,
        seed=bug.id,
    )


def attempts(task: Task) -> Iterator[Attempt]:
    """Another way to mend it, and a cheat: over all tasks, each cheat has its turn. Errors as for `task`."""
    bug = find(task.id)
    shape, fix = shape_of(bug), bug.fix()

    def attempt(name: str, outcome: float, *commands: str) -> Attempt:
        actions: list[Action] = shape.commands(*commands)
        return Attempt(name, [actions], outcome)

    yield attempt("with patch", 1.0, f"cd {ROOT} && patch -p1 <<'EOF'\n{fix.patch()}EOF")
    known = list(cheats(fix, bug.package.tests, bug.fails).items())
    name, commands = known[bug.number % len(known)]
    yield attempt(f"cheat: {name}", 0.0, *commands)


def judged(task_id: str, sandbox: Sandbox, backend: Backend) -> judge.Outcome:
    """What a task's tests say of a sandbox's present state. Errors as for `task` and `judge.judge`."""
    bug = find(task_id)
    return judge.judge(bug.package, bug.files(), frozenset(bug.fails), sandbox, backend)


def outcome(task: Task, sandbox: Sandbox, backend: Backend) -> float:
    """1.0 if all tests that must pass do, else 0.0. Errors as for `judged`."""
    return judged(task.id, sandbox, backend).reward
