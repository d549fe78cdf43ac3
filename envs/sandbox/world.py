"""A world whose state is a machine: frozen as a snapshot, or live in a sandbox.

Owns: starting from a base, when a sandbox is opened, freezing, keeping and recalling snapshots, forks and digests. Does
not own: backends and stores (`envs.sandbox`), what actions are, or what counts of their effects (the domain).

A world is *frozen* when all of its state is a snapshot: it has no process, a fork costs nothing, and a sandbox is
opened when something is first run. Each replayed step ends in a frozen state, so what runs in the background does not
go from one step to the next, however a state came to be.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import PivotRefused, WrongState
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Step
from pivotgym.envs.base.contract import World
from pivotgym.envs.sandbox.contract import Backend, Base, Changes, Limits, Sandbox, ShellState, Snapshot
from pivotgym.envs.sandbox.keeping import Keeper


@dataclass(frozen=True)
class Life:
    """How a state came to be: what is needed to build a variant of it.

    Attributes:
        origin: The start.
        seed: The world's seed.
        past: The actions replayed since, in order.
    """

    origin: Origin
    seed: int = 0
    past: tuple[Action, ...] = ()


class SandboxWorld(World):
    """What worlds on a machine share. A domain gives `base` and `run`.

    Args:
        backend: Opens sandboxes; asked for when the first one is needed.
        keeper: Stores snapshots by key; `None` to have them in memory only.
    """

    stepwise: ClassVar[bool] = True

    def __init__(self, backend: Callable[[], Backend], keeper: Keeper | None = None) -> None:
        self._open_backend = backend
        self._keeper = keeper
        self._life: Life | None = None
        self._snapshot: Snapshot | None = None
        self._sandbox: Sandbox | None = None

    @abstractmethod
    def base(self, origin: Origin, variant: int) -> AbstractContextManager[Base]:
        """What a start is made of; variants above 0 are perturbed ones. Errors as for `start`."""

    @abstractmethod
    def limits(self, origin: Origin) -> Limits:
        """What its sandboxes may use."""

    def network(self, origin: Origin) -> bool:
        """Whether its sandboxes have the network; by default not."""
        return False

    def shell_counts(self) -> bool:
        """Whether the shell's state is part of the world's."""
        return True

    def begin(self) -> None:
        """Do what remains to be done after a base was opened for the first time; what it leaves live is frozen."""

    @property
    def backend(self) -> Backend:
        """The backend."""
        return self._open_backend()

    @property
    def life(self) -> Life:
        """How this state came to be.

        Raises:
            WrongState: Before `start`, or after `close`.
        """
        if self._life is None:
            raise WrongState("world: it is not started, or closed", hint="call start first")
        return self._life

    @property
    def sandbox(self) -> Sandbox:
        """The live sandbox, opened when it is first asked for."""
        life = self.life
        if self._sandbox is None:
            assert self._snapshot is not None
            self._sandbox = self.backend.open(
                self._snapshot, limits=self.limits(life.origin), network=self.network(life.origin)
            )
        return self._sandbox

    @property
    def live(self) -> bool:
        """Whether a sandbox is open."""
        return self._sandbox is not None

    def start(self, origin: Origin, seed: int) -> None:
        """See `World.start`."""
        self._start(Life(origin, seed), 0)

    def _start(self, life: Life, variant: int) -> None:
        with self.base(life.origin, variant) as base:
            snapshot = self.backend.base(base)
        self.close()
        self._life, self._snapshot = life, snapshot
        self.begin()
        self.freeze()

    def freeze(self) -> Snapshot:
        """Make the present state a snapshot and end its processes.

        Raises:
            PivotRefused: If a program has the terminal.
        """
        if self._sandbox is not None:
            self._snapshot = self._sandbox.save()
            self._sandbox.close()
            self._sandbox = None
        assert self._snapshot is not None, "a started world has a snapshot or a sandbox"
        return self._snapshot

    def replay(self, step: Step, number: int) -> None:
        """See `World.replay`; then the state is frozen. A refusal names what ran in the background before."""
        earlier = self._snapshot.processes if self._snapshot is not None else ()
        try:
            super().replay(step, number)
        except PivotRefused as refusal:
            if earlier:
                gone = "; ".join(earlier[:5])
                refusal.hint = f"processes of earlier steps are not part of a state, these ran: {gone[:300]}"
            raise
        life = self.life
        self._life = Life(life.origin, life.seed, (*life.past, step.action))
        self.freeze()

    def rebuilt(self, variant: int) -> None:
        """Become the state after the same past on a variant of the start; nothing is checked."""
        life = self.life
        self._start(Life(life.origin, life.seed), variant)
        for action in life.past:
            self.run(action)
            self.freeze()
        self._life = life

    def keep(self, key: str) -> None:
        """See `World.keep`."""
        snapshot = self.freeze()
        if self._keeper is not None:
            self._snapshot = self._keeper.keep(key, snapshot, turn=len(self.life.past))

    def recall(self, key: str, origin: Origin, prefix: Sequence[Step], seed: int) -> bool:
        """See `World.recall`."""
        found = None if self._keeper is None else self._keeper.recall(key)
        if found is None:
            return False
        self.close()
        self._snapshot = found
        self._life = Life(origin, seed, tuple(step.action for step in prefix))
        return True

    def building(self, key: str) -> AbstractContextManager[object]:
        """See `World.building`."""
        return nullcontext() if self._keeper is None else self._keeper.building(key)

    def fork(self) -> Self:
        """See `World.fork`. Of a frozen world it costs nothing; of a live one, the sandbox is forked."""
        copy = self.empty()
        copy._life, copy._snapshot = self.life, self._snapshot
        if self._sandbox is not None:
            copy._sandbox = self._sandbox.fork()
        return copy

    def empty(self) -> Self:
        """A world of the same kind, not started."""
        return type(self)(self._open_backend, self._keeper)

    @contextmanager
    def probe(self) -> Iterator[Sandbox]:
        """A throw-away copy of the present sandbox: what runs there leaves this state as it is."""
        copy = self.sandbox.fork()
        try:
            yield copy
        finally:
            copy.close()

    def digest(self) -> str:
        """See `World.digest`: the snapshot's where nothing was changed since."""
        self.life  # noqa: B018 - raises before start
        assert self._snapshot is not None
        if self._sandbox is None:
            return self._snapshot.digest
        return self.digest_with(self._sandbox.changes(), self.shell_state())

    def shell_state(self) -> ShellState | None:
        """The shell's present state; `None` where it does not count."""
        if not self.shell_counts():
            return None
        assert self._snapshot is not None
        return self._snapshot.shell if self._sandbox is None else self._sandbox.shell()

    def digest_with(self, changes: Changes, shell: ShellState | None) -> str:
        """The digest of the snapshot with changes over it.

        Args:
            changes: What differs from the snapshot.
            shell: The shell's state; `None` where it does not count.
        """
        assert self._snapshot is not None
        shell = shell or self._snapshot.shell
        if not changes and shell == self._snapshot.shell:
            return self._snapshot.digest
        return digest(
            {
                "snapshot": self._snapshot.digest,
                "changes": {path: repr(change.after) for path, change in changes.items()},
                "shell": [shell.cwd, shell.umask, sorted(shell.environment.items()), shell.definitions],
            }
        )

    def close(self) -> None:
        """See `World.close`."""
        sandbox, self._sandbox, self._snapshot, self._life = self._sandbox, None, None, None
        if sandbox is not None:
            sandbox.close()
