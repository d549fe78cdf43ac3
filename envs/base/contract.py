"""The domain contract: `World`, `Task`, `Domain`. Everything else in `envs.base` and `servers` knows no domain.

Owns: what a domain must bring, and the checked replay that every world shares. Does not own: caching of states, the
differential runner, episodes and `PivotEnv` (the modules beside this one).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pivotgym.core.errors import ConfigError, PivotRefused
from pivotgym.core.messages import Action, Message, Tool
from pivotgym.core.trajectory import Effects, Origin, Pivot, Step, Trajectory, Verdict
from pivotgym.envs.base.users import User
from pivotgym.verifiers.base import Comparator
from pivotgym.verifiers.judge import MessageJudge

if TYPE_CHECKING:
    from pivotgym.core.chat_server import ChatServer


class World(ABC):
    """A live environment: plain synchronous code, run by the server on a thread pool, one thread at a time.

    A domain implements `start`, `run`, `fork`, `digest` and `close`; `restore` is shared.
    """

    version: ClassVar[str] = "1"
    """Raised whenever states built by an older version must not be reused."""
    stepwise: ClassVar[bool] = False
    """Whether the state after every step of a prefix is kept under its own key, not only the last."""

    @abstractmethod
    def start(self, origin: Origin, seed: int) -> None:
        """Build the start of a trajectory.

        Raises:
            InputError: If the origin's fields do not fit its kind.
            MissingDependency: If its data is not installed here.
        """

    @abstractmethod
    def run(self, action: Action) -> Effects:
        """Run an action. What the policy did wrong is in `Effects.invalid` or a tool's own error, never raised.

        Raises:
            WorldFailed: If the world itself broke.
        """

    @abstractmethod
    def fork(self) -> Self:
        """An independent copy."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the state; equal states have equal digests."""

    def close(self) -> None:  # noqa: B027 - most worlds hold nothing that needs freeing
        """Free what the world holds. Calling it again does nothing."""

    def outcome(self, task: Task) -> float:
        """The task's own result in [0, 1], in the present state. Worlds without tasks don't implement it."""
        raise PivotRefused(f"task {task.id!r}: {type(self).__name__} has no outcome of its own")

    def over(self) -> bool:
        """Whether an action ended the task by itself, so that no other may follow. By default none does."""
        return False

    def identity(self, origin: Origin) -> Any:
        """JSON that says what a start is made of, for the key of its states: by default the origin as it is.

        A world whose origins name files gives digests of their content here, so that a state built from other content
        is never taken for this one. Errors as for `start`.
        """
        return origin.model_dump()

    def keep(self, key: str) -> None:  # noqa: B027 - most worlds fork in no time and store nothing
        """This state is complete and will only be forked from now on; store it where the world has a store.

        Args:
            key: Names the state for every process: equal keys are equal starts, seeds, prefixes and versions.

        Raises:
            PivotRefused: If it is a state that cannot be kept.
        """

    def recall(self, key: str, origin: Origin, prefix: Sequence[Step], seed: int) -> bool:
        """Become the stored state of that key, as after `keep`; `False`, the default, where none is stored.

        Args:
            key: As for `keep`.
            origin: What the key was made of; `prefix` and `seed` likewise.
            prefix: The steps that led to the state.
            seed: The seed it was started with.
        """
        return False

    def building(self, key: str) -> AbstractContextManager[object]:
        """Held while a state is recalled or built, so that several processes do not build it twice; default nothing."""
        return nullcontext()

    def examine(self, asked: Sequence[str]) -> dict[str, Any]:
        """Facts of the present state that cost too much to find out after every action, for the effects' detail.

        Args:
            asked: What `Domain.asks` gave.
        """
        return {}

    def perturb(self, seed: int) -> bool:
        """Change this state a little (further files, other values), the same for equal seeds.

        Two actions that do the same by coincidence no longer do so in perturbed copies of the state.

        Args:
            seed: 1 to the domain's `perturbations`.

        Returns:
            Whether there is such a variant; `False`, the default, leaves the state as it was.
        """
        return False

    def restore(self, origin: Origin, prefix: Sequence[Step], seed: int) -> None:
        """Build the state after `prefix`, checking each observation against the recorded one.

        Raises:
            PivotRefused: At the first observation that differs, with both texts.
        """
        self.start(origin, seed)
        for number, step in enumerate(prefix):
            self.replay(step, number)

    def replay(self, step: Step, number: int) -> None:
        """Run one recorded step and check what it shows. Arguments and errors as for `restore`."""
        effects = self.run(step.action)
        if effects.invalid is not None:
            raise PivotRefused(f"prefix step {number}: the recorded action cannot be run: {effects.invalid}")
        if step.observations is None:
            return
        for place, recorded in enumerate(step.observations):
            replayed = effects.observations[place] if place < len(effects.observations) else "<nothing>"
            if not self.agrees(step, replayed, recorded):
                raise PivotRefused(
                    f"prefix step {number}, observation {place}: the replay differs from the recording",
                    hint="the origin, the seed or the world's version is not the one it was recorded with",
                    details={"step": number, "recorded": recorded[:500], "replayed": replayed[:500]},
                )

    def agrees(self, step: Step, replayed: str, recorded: str) -> bool:
        """Whether a step's replay shows what was recorded, by default the same after `normalise`."""
        return self.normalise(replayed) == self.normalise(recorded)

    def normalise(self, observation: str) -> str:
        """What of an observation must match: by default everything but white space runs."""
        return re.sub(r"\s+", " ", observation).strip()


@dataclass(frozen=True)
class Task:
    """A whole task, for the episode horizon.

    Attributes:
        id: Unique within the domain.
        origin: The start.
        messages: What the policy sees at the start.
        tools: What it can call.
        turns: Further user messages, each given when the policy ends its turn without a call; unused where the
            domain has a `user` for the task.
        gold: The expert's actions, one list per user turn; see `Domain.gold`.
        max_steps: Actions after which the episode is truncated.
    """

    id: str
    origin: Origin
    messages: list[Message]
    tools: list[Tool]
    turns: list[Message] = field(default_factory=list)
    gold: list[list[Action]] = field(default_factory=list)
    max_steps: int = 50
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """A run of a task whose outcome is known: another right solution, or a cheat.

    Attributes:
        name: What it is, unique within the task.
        actions: Its actions, one list per user turn, as `Task.gold`.
        outcome: What the task must pay for it.
    """

    name: str
    actions: list[list[Action]]
    outcome: float


class Domain(ABC):
    """A domain: its world, its comparator, and what it publishes about itself."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    description: ClassVar[str] = ""
    candidate_rule: ClassVar[str] = "every assistant turn"
    inline: ClassVar[bool] = False
    """Whether its worlds start, run, fork and digest within microseconds: a server then runs them where it is, without
    a thread and without time-outs."""
    perturbations: ClassVar[int] = 0
    """In how many perturbed copies of a state two actions must do the same too before they are called equivalent."""
    repeats: ClassVar[bool] = False
    """Whether the expert's action is run a second time before a candidate is called different, see `settle`."""
    comparator: Comparator

    @abstractmethod
    def world(self) -> World:
        """A new world, not started."""

    def executable(self, origin: Origin) -> bool:
        """Whether actions can be run from this origin; if not, `comparator.by_rule` decides."""
        return origin.kind != "none"

    def acts(self, action: Action) -> bool:
        """Whether an action acts on the world; by default one that calls tools. Others are messages to the user."""
        return bool(action.tool_calls)

    def steady(self, action: Action) -> bool:
        """Whether an action is known to do the same at any time, so that `repeats` can be spared; by default not."""
        return False

    def doubts(self, expert: Effects, verdict: Verdict) -> bool:
        """Whether two actions that are equivalent in a state may be so by coincidence; perturbed copies are asked then.

        By default always.

        Args:
            expert: What the expert's action did in the state itself.
            verdict: What was found there: `equivalent`.
        """
        return True

    def tells(self, pivot: Pivot, own: Effects, perturbed: Effects) -> bool:
        """Whether the expert's action tells anything in a perturbed copy, given its effects in the state and there.

        By default not where it fails there although it does not in the state itself.
        """
        return perturbed.invalid is None and (any(own.failed) or not any(perturbed.failed))

    def settle(self, first: Effects, again: Effects) -> Effects:
        """The expert's effects with what its two runs, some time apart, disagree on marked; by default the first's."""
        return first

    def varies(self, expert: Effects, candidate: Effects, again: Effects) -> bool:
        """Whether a candidate's two runs, some time apart, differ wherever only `settle` makes it equal to the expert.

        One that says the same each time where the expert does not has guessed. By default all are taken to vary.
        """
        return True

    def asks(self, expert: Effects, candidate: Effects) -> tuple[str, ...]:
        """What must be examined (`World.examine`) before two effects can be compared; by default nothing."""
        return ()

    def candidates(self, trajectory: Trajectory) -> list[int]:
        """Turns that may become pivots, by `candidate_rule`."""
        return list(range(len(trajectory.turns())))

    def tasks(self) -> Iterable[Task]:
        """Whole tasks for the episode horizon; none by default."""
        return ()

    def gold(self, task: Task) -> list[list[Action]]:
        """The expert's actions in a task, one list per user turn; by default the task's own.

        A domain whose expert must see the environment to act works them out here, not where tasks are listed.

        Raises:
            InfrastructureError: If the world broke.
        """
        return task.gold

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """Runs of a task whose outcome is known, beside its gold; the conformance suite plays them. None by default."""
        return ()

    def pivots(self) -> Iterable[Pivot]:
        """Pivots the domain ships; none by default."""
        return ()

    def user(self, task: Task) -> User | None:
        """Who answers the policy's messages in a task; `None`, the default, for the task's own `turns` in order."""
        return None

    def use_judge(self, judge: MessageJudge | None) -> None:
        """Let a judge decide on messages where the comparator's rule is not certain; `None` for the rule alone.

        Raises:
            ConfigError: If the domain has no such verdicts, which is the default.
        """
        raise ConfigError(f"judge: the domain {self.name!r} has no verdicts that a judge could decide")

    def use_user_model(self, server: ChatServer) -> None:
        """Let a language model play the users of the domain's tasks.

        Raises:
            ConfigError: If the domain has no simulated users, which is the default.
        """
        raise ConfigError(f"user: the domain {self.name!r} has no users that a model could play")

    def close(self) -> None:
        """Free what the domain holds; by default nothing. Calling it again does nothing."""
        return

    def details(self) -> dict[str, Any]:
        """What else a client should know of it, JSON for `/metadata`: what its worlds can and cannot do here."""
        return {}

    def ready(self) -> str | None:
        """Why the domain cannot serve yet, or `None`."""
        return None
