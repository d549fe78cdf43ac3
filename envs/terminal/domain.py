"""The domain `terminal`.

Owns: which origins can be executed, which turns are candidates, tasks, and which backend and store its worlds share.
Does not own: these themselves (`envs.sandbox`), running (`envs.terminal.world`), or verdicts (`verifiers.terminal`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

from pivotgym.core.canonical import digest
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Pivot, Step, Trajectory, steps_of
from pivotgym.envs.base.contract import Attempt, Domain, Task
from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.envs.sandbox.contract import Backend, Limits, Sandbox
from pivotgym.envs.sandbox.keeping import Keeper, shared_store
from pivotgym.envs.terminal import harbor
from pivotgym.envs.terminal.actions import acts
from pivotgym.envs.terminal.origins import KINDS
from pivotgym.envs.terminal.tasks import catalogue
from pivotgym.envs.terminal.world import TerminalWorld
from pivotgym.verifiers.shell.actions import read_request
from pivotgym.verifiers.shell.steady import steady
from pivotgym.verifiers.terminal import TerminalComparator

NOT_RESTORED = "running processes, sockets, a terminal's screen, what lies in /proc, /dev and shared memory"
"""What a state does not hold, for `/metadata`."""


class Terminals(Domain):
    """Commands in a live shell, or keys in its terminal."""

    name: ClassVar[str] = "terminal"
    description: ClassVar[str] = (
        "A Linux shell in a sandbox: bash calls and Terminus keystrokes, run in forks of a restored machine. Not "
        f"restored: {NOT_RESTORED}"
    )
    candidate_rule: ClassVar[str] = "assistant turns that run commands, type keys or say that the task is done"
    perturbations: ClassVar[int] = 2
    repeats: ClassVar[bool] = True

    def __init__(self) -> None:
        self.comparator: TerminalComparator = TerminalComparator()
        self._by_origin: dict[str, Task] | None = None
        self._lock = threading.Lock()

    def backend(self) -> Backend:
        """The backend that its worlds share."""
        return default_backend()

    def world(self) -> TerminalWorld:
        """See `Domain.world`."""
        return TerminalWorld(self.backend, Keeper(shared_store(), self.backend()), _outcome, self._task_of)

    def _task_of(self, origin: Origin) -> Task | None:
        with self._lock:
            if self._by_origin is None:
                self._by_origin = {digest(task.origin.model_dump()): task for task in self.tasks()}
        return self._by_origin.get(digest(origin.model_dump()))

    def executable(self, origin: Origin) -> bool:
        """Whether this kind of origin can be rebuilt."""
        return origin.kind in KINDS

    def acts(self, action: Action) -> bool:
        """See `Domain.acts`: calls, and Terminus answers, which are text."""
        return acts(action)

    def steady(self, action: Action) -> bool:
        """See `Domain.steady`: commands of programs that know no clock and no chance."""
        request = read_request(action)
        if isinstance(request, str) or request.keystrokes is not None or request.others:
            return False
        return bool(request.commands) and all(map(steady, request.commands))

    def tells(self, pivot: Pivot, own: Effects, perturbed: Effects) -> bool:
        """See `Domain.tells`; a copy that the origin itself names always does."""
        given = bool(pivot.origin.get("perturbed")) and perturbed.invalid is None
        return given or super().tells(pivot, own, perturbed)

    def settle(self, first: Effects, again: Effects) -> Effects:
        """See `Domain.settle`."""
        return self.comparator.settle(first, again)

    def varies(self, expert: Effects, candidate: Effects, again: Effects) -> bool:
        """See `Domain.varies`."""
        return self.comparator.varies(expert, candidate, again)

    def candidates(self, trajectory: Trajectory) -> list[int]:
        """The trajectory's own list where it has one, else by `candidate_rule`."""
        if trajectory.candidates is not None:
            return list(trajectory.candidates)
        return [turn for turn, step in enumerate(steps_of(trajectory.messages)) if _candidate(step)]

    def tasks(self) -> Iterable[Task]:
        """The generated tasks (`envs.terminal.tasks`), and those of the source `harbor` where it is configured."""
        return [*catalogue.tasks(), *harbor.tasks()]

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """See `Domain.attempts`."""
        return () if task.origin.kind == harbor.KIND else catalogue.attempts(task)

    def details(self) -> dict[str, Any]:
        """See `Domain.details`: the backend with its capabilities, the limits of a sandbox, what is not restored."""
        backend = self.backend()
        lacking = backend.missing()
        return {
            "backend": backend.name,
            "missing": None if lacking is None else asdict(lacking),
            "capabilities": None if lacking is not None else asdict(backend.capabilities()),
            "sandbox_limits": asdict(Limits()),
            "not_restored": NOT_RESTORED,
        }

    def ready(self) -> str | None:
        """Why no sandbox can be opened here, with the command that mends it."""
        missing = self.backend().missing()
        return None if missing is None else f"{missing.what}: {missing.command}"


def _outcome(task: Task, sandbox: Sandbox, backend: Backend) -> float:
    judge = harbor.outcome if task.origin.kind == harbor.KIND else catalogue.outcome
    return judge(task, sandbox, backend)


def _candidate(step: Step) -> bool:
    return acts(step.action)


def domain() -> Terminals:
    """The domain, for the entry point."""
    return Terminals()
