"""The domain `swe`.

Owns: which origins can be executed, which turns are candidates, and which backend and store its worlds share. Does not
own: these themselves (`envs.sandbox`), running (`world`), or verdicts (`verifiers.swe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Pivot, Trajectory, Verdict, steps_of
from pivotgym.envs.base.contract import Attempt, Domain, Task
from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.envs.sandbox.contract import Backend, Sandbox
from pivotgym.envs.sandbox.keeping import Keeper, shared_store
from pivotgym.envs.swe.operations.read import commands_of, harness_of, operations_of
from pivotgym.envs.swe.origins import KINDS
from pivotgym.envs.swe.tasks import catalogue, rows
from pivotgym.envs.swe.world import SweWorld
from pivotgym.verifiers.code.operations import Operation, RunTests
from pivotgym.verifiers.shell.steady import steady
from pivotgym.verifiers.swe import SweComparator
from pivotgym.verifiers.terminal import TerminalComparator

NOT_RESTORED = "running processes, sockets, what lies in /proc, /dev and shared memory, a repository's earlier commits"
"""What a state does not hold, for `/metadata`."""


class SoftwareEngineering(Domain):
    """Coding agents on real repositories."""

    name: ClassVar[str] = "swe"
    description: ClassVar[str] = (
        "A repository in a sandbox: shell, editors and search tools of coding agents, in forks of a restored machine. "
        f"Not restored: {NOT_RESTORED}"
    )
    candidate_rule: ClassVar[str] = "assistant turns that call a tool, or hold a block of commands"
    repeats: ClassVar[bool] = True
    perturbations: ClassVar[int] = 2

    def __init__(self) -> None:
        self.comparator: SweComparator = SweComparator(_read)
        self._terminal = TerminalComparator()

    def backend(self) -> Backend:
        """The backend that its worlds share."""
        return default_backend()

    def world(self) -> SweWorld:
        """See `Domain.world`."""
        return SweWorld(self.backend, Keeper(shared_store(), self.backend()), _outcome)

    def executable(self, origin: Origin) -> bool:
        """Whether this kind of origin can be rebuilt."""
        return origin.kind in KINDS

    def acts(self, action: Action) -> bool:
        """See `Domain.acts`: calls, and texts that hold a block of commands."""
        return bool(action.tool_calls) or "```" in action.content

    def steady(self, action: Action) -> bool:
        """See `Domain.steady`: tools other than the shell, and commands that know no clock and no chance; no tests."""
        commands = commands_of(action)
        if any(isinstance(one, RunTests) for one in operations_of(action)):
            return False
        return bool(commands) and all(command is None or steady(command) for command in commands)

    def settle(self, first: Effects, again: Effects) -> Effects:
        """See `Domain.settle`; as in the terminal domain."""
        return self._terminal.settle(first, again)

    def asks(self, expert: Effects, candidate: Effects) -> tuple[str, ...]:
        """See `Domain.asks`: the files on which only tests can decide."""
        return self.comparator.undecided(expert, candidate)

    def doubts(self, expert: Effects, verdict: Verdict) -> bool:
        """See `Domain.doubts`: where what was told are counts and the like, no text of the repository."""
        return self.comparator.doubts(expert, verdict)

    def candidates(self, trajectory: Trajectory) -> list[int]:
        """The trajectory's own list where it has one, else by `candidate_rule`."""
        if trajectory.candidates is not None:
            return list(trajectory.candidates)
        return [turn for turn, step in enumerate(steps_of(trajectory.messages)) if self.acts(step.action)]

    def tasks(self) -> Iterable[Task]:
        """The generated tasks of the packages that were fetched, and rows of the source `swe_bench`."""
        return [*catalogue.tasks(), *rows.tasks()]

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """See `Domain.attempts`."""
        return () if _is_row(task) else catalogue.attempts(task)

    def ready(self) -> str | None:
        """Why no sandbox can be opened here, with the command that mends it."""
        missing = self.backend().missing()
        return None if missing is None else f"{missing.what}: {missing.command}"


def _is_row(task: Task) -> bool:
    return bool(task.metadata.get("family") == rows.FAMILY)


def _outcome(task: Task, sandbox: Sandbox, backend: Backend) -> float:
    judge = rows.outcome if _is_row(task) else catalogue.outcome
    return judge(task, sandbox, backend)


def _read(pivot: Pivot, action: Action) -> Sequence[Operation]:
    return operations_of(action, pivot.tools, harness_of(pivot))


def domain() -> SoftwareEngineering:
    """The domain, for the entry point."""
    return SoftwareEngineering()
