"""Episodes: a live state, one action after the other, until it ends.

Owns: what an observation and `info` hold, when an episode ends, and the two horizons. Does not own: verdicts
(`envs.base.runtime`), ids, time-outs and locks of sessions (`servers/`), or Gymnasium's spaces (`envs.base.pivot_env`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pivotgym.core.errors import PivotGymError, WorldFailed, WrongState
from pivotgym.core.messages import Action, Malformed, Message, Tool
from pivotgym.core.trajectory import Effects, Pivot
from pivotgym.envs.base.breakage import unforeseen_is
from pivotgym.envs.base.contract import Domain, Task, World
from pivotgym.envs.base.users import User

if TYPE_CHECKING:
    from pivotgym.envs.base.runtime import Runtime


class StepResult(NamedTuple):
    """What a step gave, in Gymnasium's order.

    Attributes:
        observation: Text of the messages that answer the action.
        reward: In [0, 1]; before the end of a task always 0.
        terminated: Whether the episode came to its own end.
        truncated: Whether it was cut at the task's limit of steps.
        info: As `Episode.info`.
    """

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class Episode(ABC):
    """One live episode, used by one thread at a time. `info` holds nothing that differs between equal runs.

    Attributes:
        observation: Text of the last messages, up to and including the user's or the tools'.
        info: `horizon`, `messages` (the state, OpenAI JSON), `tools`; after a one-action episode also `verdict`.
        done: Whether the episode ended.
        steps: Actions taken.
    """

    horizon: ClassVar[str]

    def __init__(self, messages: Sequence[Message], tools: Sequence[Tool]) -> None:
        self.messages = list(messages)
        self.tools = list(tools)
        self.observation = _last_text(self.messages)
        self.done = False
        self.steps = 0
        self._closed = False
        self._told: list[dict[str, Any]] = []
        self._tools_told = [tool.model_dump() for tool in self.tools]

    @property
    def info(self) -> dict[str, Any]:
        """See the class. Messages and tools are shared by all infos of an episode: they are for reading."""
        self._told += [message.to_json() for message in self.messages[len(self._told) :]]
        return {"horizon": self.horizon, "messages": list(self._told), "tools": list(self._tools_told)}

    def step(self, action: Action | Malformed) -> StepResult:
        """Take one action.

        Raises:
            WrongState: After the end, or after `close`.
            InfrastructureError: If the world or the verifier broke: no reward. It ends a task; at a pivot the step can
                be tried again.
        """
        if self._closed or self.done:
            what = "was closed" if self._closed else f"ended after {self.steps} steps"
            raise WrongState(f"step: the episode {what}", hint="reset to begin another one")
        result = self._step(action)
        self.steps += 1
        self.done = result.terminated or result.truncated
        self.observation = result.observation
        return result

    def fork(self) -> Self:
        """An independent copy.

        Raises:
            WrongState: After `close`.
        """
        if self._closed:
            raise WrongState("fork: the episode was closed", hint="reset to begin another one")
        copy = self._copy()
        copy.observation, copy.done, copy.steps = self.observation, self.done, self.steps
        return copy

    def close(self) -> None:
        """Free what the episode holds. Calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._free()

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the environment's state."""

    @abstractmethod
    def _step(self, action: Action | Malformed) -> StepResult:
        """The step itself."""

    @abstractmethod
    def _copy(self) -> Self:
        """A copy without the shared fields."""

    def _free(self) -> None:
        """Free what the kind of episode holds; by default nothing."""
        return


class PivotEpisode(Episode):
    """One action at a pivot: the verifier's reward, then the end."""

    horizon = "pivot"

    def __init__(self, runtime: Runtime, pivot: Pivot) -> None:
        super().__init__(pivot.messages, pivot.tools)
        self._runtime, self._pivot = runtime, pivot
        runtime.prepare(pivot)

    def digest(self) -> str:
        """SHA-256 of the world's state; of the pivot where nothing can be executed."""
        if not self._runtime.domain.executable(self._pivot.origin):
            return self._pivot.digest
        world = self._runtime.restore(self._pivot)
        try:
            return world.digest()
        finally:
            world.close()

    def _step(self, action: Action | Malformed) -> StepResult:
        verdict = self._runtime.verify(self._pivot, action)
        info = {**self.info, "verdict": verdict.model_dump(mode="json")}
        return StepResult("", verdict.reward, True, False, info)

    def _copy(self) -> Self:
        return type(self)(self._runtime, self._pivot)


class TaskEpisode(Episode):
    """A task to its end: calls are run, a message without calls ends the turn, the last turn's end the episode.

    A turn that ends is answered by the domain's user, who ends the episode by saying nothing more; where the domain
    has none, by the task's next turn. A call that ends the task by itself (`World.over`) ends the episode too.

    An empty or malformed action, or a call of a tool that was not offered, is answered with an error and counts as a
    step. A message that acts by itself (`Domain.acts`: commands written as JSON text) is run, and answered by what was
    observed.
    """

    horizon = "episode"

    def __init__(
        self,
        world: World,
        task: Task,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        turn: int,
        domain: Domain,
        user: User | None = None,
    ) -> None:
        super().__init__(messages, tools)
        self._world, self._task, self._turn, self._domain, self._user = world, task, turn, domain, user

    @classmethod
    def start(cls, runtime: Runtime, task: Task, *, seed: int = 0) -> Self:
        """An episode from a task's start."""
        with unforeseen_is(WorldFailed, f"starting task {task.id!r}"):
            user = runtime.domain.user(task)
            messages = [*task.messages, *_opening(task, user)]
            world = runtime.states.get(task.origin, [], seed)
        return cls(world, task, messages, task.tools, 0, runtime.domain, user)

    @classmethod
    def from_pivot(cls, runtime: Runtime, pivot: Pivot, task: Task, *, seed: int = 0) -> Self:
        """An episode that goes on from a pivot of that task."""
        turn = _users(pivot.messages) - _users(task.messages)
        domain = runtime.domain
        world = runtime.restore(pivot, seed=seed)
        return cls(world, task, pivot.messages, pivot.tools, turn, domain, domain.user(task))

    def digest(self) -> str:
        """SHA-256 of the world's state."""
        with unforeseen_is(WorldFailed, f"task {self._task.id!r}: digesting a state"):
            return self._world.digest()

    def _step(self, action: Action | Malformed) -> StepResult:
        try:
            with unforeseen_is(WorldFailed, f"task {self._task.id!r}: taking step {self.steps}"):
                return self._taken(action)
        except PivotGymError:
            self.done = True  # what broke half way is in no known state: no step may follow
            raise

    def _taken(self, action: Action | Malformed) -> StepResult:
        ended = False
        if isinstance(action, Malformed) or action.truncated or _empty(action):
            answers = [_complaint(action)]
        elif action.tool_calls:
            answers = self._run(action)
            ended = self._world.over()
        elif self._domain.acts(action):
            answers = [Message(role="user", content=_observed(self._world.run(action)))]
            ended = self._world.over()
        else:
            self._world.run(action)  # a message has no effects; a world may ask at the end what was said
            answers = self._answered(action)
            ended = not answers
        self.messages.append(_said(action))
        self.messages.extend(answers)
        reward = self._world.outcome(self._task) if ended else 0.0
        truncated = not ended and self.steps + 1 >= self._task.max_steps
        observation = "\n".join(message.text for message in answers)
        return StepResult(observation, reward, ended, truncated, self.info)

    def _answered(self, action: Action) -> list[Message]:
        """What the user says to the end of a turn: one message, or none at the end of the episode."""
        if self._user is not None:
            said = self._user.reply([*self.messages, action.to_message()])
            return [] if said is None else [Message(role="user", content=said)]
        self._turn += 1
        return self._task.turns[self._turn - 1 : self._turn]

    def _run(self, action: Action) -> list[Message]:
        offered = {tool.name for tool in self.tools}
        answers = []
        for call in action.tool_calls:
            if offered and call.name not in offered:
                text = f"Error during execution: no tool is called {call.name!r}; the tools are {sorted(offered)}"
            else:
                text = _observed(self._world.run(Action(tool_calls=(call,))))
            answers.append(Message(role="tool", content=text, tool_call_id=call.id, name=call.name))
        return answers

    def _copy(self) -> Self:
        with unforeseen_is(WorldFailed, f"task {self._task.id!r}: forking a state"):
            world = self._world.fork()
        return type(self)(world, self._task, self.messages, self.tools, self._turn, self._domain, self._user)

    def _free(self) -> None:
        self._world.close()


def _opening(task: Task, user: User | None) -> list[Message]:
    """The user's first words, where the task leaves them to the user."""
    if user is None or any(message.role == "user" for message in task.messages):
        return []
    said = user.reply(task.messages)
    if said is None:
        raise WorldFailed(f"task {task.id!r}: the user ended the conversation before it began")
    return [Message(role="user", content=said)]


def _observed(effects: Effects) -> str:
    """What the policy sees of an action's effects."""
    text = "\n".join(effects.observations)
    if not text and effects.invalid is not None:
        return f"Error during execution: {effects.invalid}"
    return text


def _said(action: Action | Malformed) -> Message:
    return Message(role="assistant", content=action.text) if isinstance(action, Malformed) else action.to_message()


def _complaint(action: Action | Malformed) -> Message:
    if isinstance(action, Malformed):
        reason = action.reason
    else:
        reason = "it was cut at its token limit" if action.truncated else "it is empty"
    return Message(role="user", content=f"Error: the last message could not be read: {reason}")


def _empty(action: Action) -> bool:
    return not action.tool_calls and not action.content.strip()


def _users(messages: Sequence[Message]) -> int:
    return sum(message.role == "user" for message in messages)


def _last_text(messages: Sequence[Message]) -> str:
    """The text after the last assistant message: what the policy has not answered yet."""
    last = max((place for place, message in enumerate(messages) if message.role == "assistant"), default=-1)
    return "\n".join(message.text for message in messages[last + 1 :] if message.text)
