"""The world of the terminal: commands run one by one in a sandbox, or keys typed into its terminal.

Owns: actions -> effects, what the policy sees, and the effects that comparators read. Does not own: snapshots and
forks (`envs.sandbox.world`), origins (`envs.terminal.origins`), or what counts (`verifiers.terminal`).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from typing import Any, ClassVar, Self

from pivotgym.core.errors import InputError
from pivotgym.core.formats.terminus import Keystrokes
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin
from pivotgym.envs.base.contract import Task
from pivotgym.envs.sandbox.contract import (
    Backend,
    Base,
    Changes,
    Limits,
    NoShell,
    Sandbox,
    ShellState,
    Snapshot,
    Terminal,
)
from pivotgym.envs.sandbox.effects import files_detail, printable, ran_json, shell_detail, shown, since
from pivotgym.envs.sandbox.git_probe import git_detail
from pivotgym.envs.sandbox.keeping import Keeper
from pivotgym.envs.sandbox.shell.quoting import own_shell
from pivotgym.envs.sandbox.world import SandboxWorld
from pivotgym.envs.terminal.actions import Claim, Command, Keys, Request, Unusable, acts, requests
from pivotgym.envs.terminal.observing import normalised, observation
from pivotgym.envs.terminal.origins import PLAIN_ENVIRONMENT, Setting, identity, resolve
from pivotgym.envs.terminal.perturbing import perturb

SETUP_LIMIT_S = 120.0
CLAIMED = "The task is marked as done.\n"
_LINGER_S, _LOOK_S = 0.5, 0.05
"""How long what runs in the background is given to end, and how often it is looked for meanwhile."""
Outcome = Callable[[Task, Sandbox, Backend], float]
TaskOf = Callable[[Origin], Task | None]


class TerminalWorld(SandboxWorld):
    """A machine with a shell.

    Args:
        backend: Opens sandboxes; asked for when the first one is needed.
        keeper: Stores snapshots by key; `None` to have them in memory only.
        outcome: Judges the final state of a task; `None` where there are no tasks.
        task_of: The task that starts from an origin, where it is known: its tests tell whether a claim is due.
    """

    version: ClassVar[str] = "2"

    def __init__(
        self,
        backend: Callable[[], Backend],
        keeper: Keeper | None = None,
        outcome: Outcome | None = None,
        task_of: TaskOf | None = None,
    ) -> None:
        super().__init__(backend, keeper)
        self._outcome, self._task_of = outcome, task_of
        self._resolved: tuple[Origin, Setting] | None = None
        self._terminal: Terminal | None = None
        self._claimed = False

    def empty(self) -> Self:
        """See `SandboxWorld.empty`."""
        copy = type(self)(self._open_backend, self._keeper, self._outcome, self._task_of)
        copy._resolved = self._resolved
        return copy

    def fork(self) -> Self:
        """See `World.fork`."""
        copy = super().fork()
        copy._claimed = self._claimed
        return copy

    def identity(self, origin: Origin) -> Any:
        """See `World.identity`: the origin, and digests of the files it names."""
        return identity(origin)

    def setting(self, origin: Origin) -> Setting:
        """A resolved origin. Errors as for `origins.resolve`."""
        if self._resolved is None or self._resolved[0] is not origin:
            self._resolved = (origin, resolve(origin))
        return self._resolved[1]

    def base(self, origin: Origin, variant: int) -> AbstractContextManager[Base]:
        """See `SandboxWorld.base`."""
        return self.setting(origin).base(variant)

    def limits(self, origin: Origin) -> Limits:
        """See `SandboxWorld.limits`."""
        return self.setting(origin).limits

    def network(self, origin: Origin) -> bool:
        """See `SandboxWorld.network`."""
        return self.setting(origin).network

    def shell_counts(self) -> bool:
        """See `SandboxWorld.shell_counts`: not where every action has a shell of its own."""
        return not self._here.fresh

    @property
    def _here(self) -> Setting:
        return self.setting(self.life.origin)

    def start(self, origin: Origin, seed: int) -> None:
        """See `World.start`.

        Raises:
            InputError: Also if the shell's user cannot enter `cwd`: else every action would fail, and so look alike.
        """
        super().start(origin, seed)
        here = self._here
        if here.shell.cwd == "/":
            return
        assert self._snapshot is not None
        with closing(self.backend.open(self._snapshot, limits=here.limits, network=here.network)) as copy:
            entered = copy.run(f"( builtin cd -- {shlex.quote(here.shell.cwd)} )")
        if entered.exit != 0:
            self.close()
            raise InputError(
                f"origin of kind {origin.kind!r}: cwd: expected a folder that the shell's user can enter, got "
                f"{here.shell.cwd[:120]!r}"
            )

    def begin(self) -> None:
        """Run the origin's `setup` in a shell of its own.

        Raises:
            InputError: If it fails; the message has the end of what it said.
        """
        here = self._here
        if not here.setup:
            return
        ran = self.sandbox.run(_own_shell(here, here.setup, cwd="/"), timeout_s=SETUP_LIMIT_S)
        if ran.exit != 0:
            said = shown(ran.stderr or ran.stdout)[-300:].strip()
            how = f"was ended by the limit on {ran.ended}" if ran.ended else f"ended with exit status {ran.exit}"
            raise InputError(f"origin of kind {self.life.origin.kind!r}: setup {how}: {said}")

    def freeze(self) -> Snapshot:
        """See `SandboxWorld.freeze`: the terminal's screen goes, and so does a claim."""
        self._terminal, self._claimed = None, False
        return super().freeze()

    def run(self, action: Action) -> Effects:
        """Run an action's commands in order, or type its keys. `detail` is what comparators read, see the README.

        A message without commands does nothing.
        """
        before = self.digest()
        if not acts(action):
            return Effects(state=before, before=before, detail=self._detail([], {}, self.shell_state()))
        asked = requests(action)
        if isinstance(asked, Unusable):
            return Effects(observations=[f"Error: {asked.reason}\n"], state=before, before=before, invalid=asked.reason)
        earlier = self.sandbox.changes() if self.live else {}
        observations: list[str] = []
        ran: list[dict[str, Any]] = []
        for one in asked:
            observations.append(self._answer(one, ran))
        if any(isinstance(one, Keys) for one in asked):  # one answer, one observation
            observations = ["".join(observations)]
        self._claimed = any(isinstance(one, Claim) for one in asked)
        after, shell = self.sandbox.changes(), self.shell_state()
        return Effects(
            observations=observations,
            state=self.digest_with(after, shell),
            before=before,
            failed=[one["exit"] != 0 for one in ran],
            detail=self._detail(ran, since(earlier, after), shell),
        )

    def _answer(self, asked: Request, ran: list[dict[str, Any]]) -> str:
        if isinstance(asked, Claim):
            return CLAIMED
        if isinstance(asked, Command):
            return self._command(asked, ran)
        return "".join(self._type(one, ran) for one in asked.typed)

    def _command(self, asked: Command, ran: list[dict[str, Any]]) -> str:
        here = self._here
        limit = min(asked.timeout_s or here.limits.wall_s, here.limits.wall_s)
        text = _own_shell(here, asked.text) if here.fresh else asked.text
        result = self.sandbox.run(text, timeout_s=limit)
        ran.append(ran_json(asked.text, result))
        return observation(result, status=here.status, limit_s=limit)

    def _type(self, asked: Keystrokes, ran: list[dict[str, Any]]) -> str:
        if self._terminal is None:
            self._terminal = self.sandbox.terminal()
        shown_now = self._terminal.send(asked.keys, wait_s=min(asked.wait_s, self._here.limits.wall_s))
        status = None if self._terminal.busy else self._terminal.last_exit
        ran.append(
            {
                "command": asked.keys,
                "exit": status,
                "stdout": printable(shown_now),
                "stderr": "",
                "ended": None,
                "cut": False,
            }
        )
        return shown_now + ("\n" if shown_now and not shown_now.endswith("\n") else "")

    def _detail(self, ran: list[dict[str, Any]], changed: Changes, shell: ShellState | None) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "commands": ran,
            "files": files_detail(changed, self.sandbox.read) if changed else {},
            "shell": shell_detail(shell or replace(self._here.shell, environment=_environment(self._here))),
            "compare": self._here.compare.to_json(),
            "complete": self._claimed,
            "due": self._due() if self._claimed else None,
        }
        if ran and not self._here.fresh and self._terminal is None:  # at a terminal, what runs may just be at work
            detail["processes"] = [printable(one) for one in self._running_on()]
        if any("/.git/" in path for path in changed):
            # An action that took away its machine's own bash is compared by the files of the repository as they are.
            with suppress(NoShell), self.probe() as copy:
                detail["git"] = git_detail(changed, lambda command: copy.run(command, timeout_s=10.0))
        return detail

    def _running_on(self) -> tuple[str, ...]:
        """What still runs a little later: the rest of what was just ended, such as its last `sleep`, does not count."""
        until = time.monotonic() + _LINGER_S
        while (found := self.sandbox.processes()) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        return found

    def _due(self) -> bool | None:
        """Whether the task's tests pass in the present state; `None` where the task is not known."""
        task = None if self._task_of is None else self._task_of(self.life.origin)
        return None if task is None else self.outcome(task) == 1.0

    def perturb(self, seed: int) -> bool:
        """See `World.perturb`: the origin's own variants where it has any, else small changes made from outside."""
        variants = len(self._here.bases) - 1
        if seed <= variants:
            self.rebuilt(seed)
            return True
        return variants == 0 and perturb(self.sandbox, self._here.roots, seed)

    def outcome(self, task: Task) -> float:
        """See `World.outcome`."""
        if self._outcome is None:
            return super().outcome(task)
        return self._outcome(task, self.sandbox, self.backend)

    def over(self) -> bool:
        """See `World.over`: after an action that says that the task is done."""
        return self._claimed

    def normalise(self, observation: str) -> str:
        """See `World.normalise`; the rules are in `envs.terminal.observing`."""
        return normalised(observation)


def _environment(setting: Setting) -> dict[str, str]:
    return {**PLAIN_ENVIRONMENT, **setting.shell.environment}


def _own_shell(setting: Setting, command: str, *, cwd: str | None = None) -> str:
    return own_shell(command, cwd=cwd or setting.shell.cwd, environment=_environment(setting))
