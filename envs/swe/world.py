"""The world of software engineering: a repository on a machine, and an agent's tools.

Owns: actions -> effects. Does not own: snapshots and forks (`envs.sandbox.world`), origins (`origins`), which call is
which operation (`operations`), tools (`tools`), tests (`testing`), what counts (`verifiers.swe`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar, Self

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Step
from pivotgym.envs.base.contract import Task
from pivotgym.envs.sandbox.contract import Backend, Base, Change, Changes, Limits, Sandbox, ShellState
from pivotgym.envs.sandbox.effects import files_detail, ran_json, shell_detail, shown, since
from pivotgym.envs.sandbox.git_probe import git_detail
from pivotgym.envs.sandbox.keeping import Keeper
from pivotgym.envs.sandbox.shell.quoting import own_shell
from pivotgym.envs.sandbox.world import SandboxWorld
from pivotgym.envs.swe import memory, testing
from pivotgym.envs.swe.listings import parts_of, uncut
from pivotgym.envs.swe.observing import normalised, observation
from pivotgym.envs.swe.operations.read import commands_of, operations_of
from pivotgym.envs.swe.origins import Setting, identity, resolve
from pivotgym.envs.swe.perturbing import perturb
from pivotgym.envs.swe.tools import Tools
from pivotgym.verifiers.code.operations import Invalid, Operation, Other, Submit, to_json

MAX_TEXT = 1_000_000
"""Bytes of a changed file whose text is given to comparators."""
_LISTING_S = 30.0
_SHELLS_OWN = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
Outcome = Callable[[Task, Sandbox, Backend], float]


class SweWorld(SandboxWorld):
    """A machine with a repository.

    Args:
        backend: Opens sandboxes; asked for when the first one is needed.
        keeper: Stores snapshots by key; `None` to have them in memory only.
        outcome: Judges the final state of a task; `None` where there are no tasks.
    """

    version: ClassVar[str] = "1"

    def __init__(
        self, backend: Callable[[], Backend], keeper: Keeper | None = None, outcome: Outcome | None = None
    ) -> None:
        super().__init__(backend, keeper)
        self._outcome = outcome
        self._resolved: tuple[Origin, Setting] | None = None
        self._over = False

    def empty(self) -> Self:
        """See `SandboxWorld.empty`."""
        copy = type(self)(self._open_backend, self._keeper, self._outcome)
        copy._resolved = self._resolved
        return copy

    def fork(self) -> Self:
        """See `World.fork`."""
        copy = super().fork()
        copy._over = self._over
        return copy

    def identity(self, origin: Origin) -> Any:
        """See `World.identity`: the origin, and digests of what it names."""
        return identity(origin)

    def setting(self, origin: Origin) -> Setting:
        """A resolved origin. Errors as for `origins.resolve`."""
        if self._resolved is None or self._resolved[0] is not origin:
            self._resolved = (origin, resolve(origin))
        return self._resolved[1]

    def base(self, origin: Origin, variant: int) -> AbstractContextManager[Base]:
        """See `SandboxWorld.base`; the origin has no variants of its own."""
        return self.setting(origin).base()

    def limits(self, origin: Origin) -> Limits:
        """See `SandboxWorld.limits`."""
        return self.setting(origin).limits

    def network(self, origin: Origin) -> bool:
        """See `SandboxWorld.network`."""
        return self.setting(origin).network

    def shell_counts(self) -> bool:
        """See `SandboxWorld.shell_counts`: not where every command has a shell of its own."""
        return not self._here.fresh

    @property
    def _here(self) -> Setting:
        return self.setting(self.life.origin)

    def run(self, action: Action) -> Effects:
        """Do what an action calls, call by call. `detail` is what `SweComparator` reads. A plain text does nothing."""
        before = self.digest()
        here = self._here
        operations = operations_of(action, (), here.harness)
        bad = next((one for one in operations if isinstance(one, Invalid | Other)), None)
        if bad is not None:
            reason = bad.reason if isinstance(bad, Invalid) else f"no tool is called {bad.name!r}"
            return Effects(observations=[f"Error: {reason}\n"], state=before, before=before, invalid=reason)
        if not operations:
            return Effects(state=before, before=before, detail=self._detail([], [], {}, self.shell_state()))
        earlier = self.sandbox.changes() if self.live else {}
        records: list[dict[str, Any]] = []
        commands: list[dict[str, Any]] = []
        observations = [
            self._do(operation, command, records, commands)
            for operation, command in zip(operations, commands_of(action, here.harness), strict=True)
        ]
        self._over = any(isinstance(one, Submit) for one in operations)
        after, shell = self.sandbox.changes(), self.shell_state()
        changed = {path: change for path, change in since(earlier, after).items() if path != memory.PATH}
        return Effects(
            observations=observations,
            state=self.digest_with(after, shell),
            before=before,
            failed=[bool(one.get("failed") or one.get("exit")) for one in records],
            detail=self._detail(records, commands, changed, shell),
        )

    def _do(
        self, operation: Operation, command: str | None, records: list[dict[str, Any]], commands: list[dict[str, Any]]
    ) -> str:
        here = self._here
        if command is None:
            cwd = here.workdir if here.fresh else self.sandbox.shell().cwd
            told = Tools(self.sandbox, here.harness, cwd, here.workdir).do(operation)
            records.append(told.record())
            return told.text
        limit = here.limits.wall_s
        text = own_shell(command, cwd=here.workdir, environment=self._variables()) if here.fresh else command
        ran = self.sandbox.run(text, timeout_s=limit)
        one = ran_json(command, ran)
        commands.append(one)
        records.append({"operation": to_json(operation), "output": one["stdout"], "exit": ran.exit, "failed": False})
        return observation(ran, here.observation, limit)

    def _variables(self) -> dict[str, str]:
        """What a `fresh` command starts with: the machine's variables and the origin's."""
        assert self._snapshot is not None
        known = self._snapshot.shell.environment
        return {name: value for name, value in known.items() if name not in _SHELLS_OWN}

    def _detail(
        self,
        records: list[dict[str, Any]],
        commands: list[dict[str, Any]],
        changed: Changes,
        shell: ShellState | None,
    ) -> dict[str, Any]:
        here = self._here
        session = not here.fresh
        shell = shell or replace(here.shell, environment=self._variables())
        detail: dict[str, Any] = {
            "operations": records,
            "commands": commands,
            "files": files_detail(changed, self.sandbox.read, max_text=MAX_TEXT) if changed else {},
            "shell": shell_detail(shell),
            "root": here.workdir,
            "compare": {"files": ["/"], "output": "always", "exit": True, "umask": False}
            | dict.fromkeys(("cwd", "environment"), session),
        }
        if changed:
            self._add_before(detail, changed)
        return detail

    def _add_before(self, detail: dict[str, Any], changed: Changes) -> None:
        """What comparators need of the state before: texts of changed files, and whether git's own state is another."""
        with self._before() as start:
            for path, entry in detail["files"].items():
                change = changed.get(path)
                if change is not None and (text := _text_before(change, path, start)) is not None:
                    entry["before"]["text"] = text
            if any("/.git/" in path for path in changed):
                asked = [path for path in changed if "/.git/" in path]
                earlier = git_detail(asked, lambda command: start.run(command, timeout_s=20.0))
                with self.probe() as copy:
                    now = git_detail(asked, lambda command: copy.run(command, timeout_s=20.0))
                # `git status` alone writes the index anew.
                if different := {path: one for path, one in now.items() if earlier.get(path) != one}:
                    detail["git"] = different

    def _before(self) -> _Closing:
        """A sandbox in the state that was last frozen, which is where a verified action begins."""
        assert self._snapshot is not None
        return _Closing(self.backend.open(self._snapshot, limits=self.limits(self.life.origin)))

    def examine(self, asked: Sequence[str]) -> dict[str, Any]:
        """See `World.examine`: results of the tests that see these files, now and before; empty where none does.

        Raises:
            WorldFailed: If this machine is too busy to run them.
        """
        here, environment = self._here, self._variables()
        command = here.test_command or testing.command_for(self.sandbox, asked, here.workdir)
        if command is None:
            return {"tests": {}}
        assert self._snapshot is not None
        state = self._snapshot.digest
        with self.probe() as copy:
            now = testing.run_tests(copy, command, here.workdir, environment, testing.pace(state, command))
        took = testing.pace(state, command, now)

        def earlier() -> testing.Results:
            with self._before() as start:
                return testing.run_tests(start, command, here.workdir, environment, took)

        before = testing.remembered(state, command, earlier)
        if now.ended == "time" and before.ended is None and earlier().ended == "time":
            raise WorldFailed(
                f"{command}: it no longer ends in the state before the action, where it did: this machine is too busy",
                hint="run fewer verdicts at a time",
            )
        # A start in which the tests do not end is one in which they fail.
        failed = list(before.failed) if before.ended is None else [f"{command}: {before.ended}"]
        return {"tests": {**now.to_json(), "failed_before": failed}}

    def perturb(self, seed: int) -> bool:
        """See `World.perturb`."""
        return perturb(self.sandbox, self._here.workdir, seed)

    def outcome(self, task: Task) -> float:
        """See `World.outcome`."""
        return super().outcome(task) if self._outcome is None else self._outcome(task, self.sandbox, self.backend)

    def over(self) -> bool:
        """See `World.over`: after the work was handed in."""
        return self._over

    def normalise(self, observation: str) -> str:
        """See `World.normalise`."""
        return normalised(observation)

    def agrees(self, step: Step, replayed: str, recorded: str) -> bool:
        """See `World.agrees`: also where both show some lines of one listing, which has no order of its own."""
        if super().agrees(step, replayed, recorded):
            return True
        here = self._here
        commands = commands_of(step.action, here.harness)
        whole = uncut(commands[0]) if len(commands) == 1 and commands[0] else None
        if whole is None or not here.fresh:
            return False
        with self.probe() as copy:
            ran = copy.run(own_shell(whole, cwd=here.workdir, environment=self._variables()), timeout_s=_LISTING_S)
        listed = normalised(shown(ran.stdout) + shown(ran.stderr))
        return ran.ended is None and parts_of(listed, normalised(replayed), normalised(recorded))


class _Closing:
    """A sandbox for a block."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __enter__(self) -> Sandbox:
        return self._sandbox

    def __exit__(self, *_: object) -> None:
        self._sandbox.close()


def _text_before(change: Change, path: str, start: Sandbox) -> str | None:
    entry = change.before
    if entry is None or entry.kind != "file" or entry.size > MAX_TEXT:
        return None
    try:
        return (start.read(path) or b"").decode()
    except UnicodeDecodeError:
        return None
