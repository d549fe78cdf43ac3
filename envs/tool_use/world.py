"""The world of tool use: calls run one after the other against the toolkit that the origin names.

Owns: actions -> effects, forks, and a task's outcome by final state and results seen. Does not own: the tools
(`envs.tool_use.toolkit` and its implementations).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, WrongState
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Origin
from pivotgym.envs.base.contract import Task, World
from pivotgym.envs.tool_use.facts_told import told
from pivotgym.envs.tool_use.toolkit import Toolkit

NOT_AN_OBJECT = "Error during execution: the arguments are not a JSON object"
HANDED_OVER = "Error: the conversation was handed over, no call can follow"


class GoldOutcomes:
    """What each task's gold actions lead to, worked out once. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Counter[str]]] = {}
        self._lock = threading.Lock()

    def of(self, task: Task, world: ToolWorld) -> tuple[str, Counter[str]]:
        """Digest of the final state, and the results of all calls, counted."""
        with self._lock:
            if task.id not in self._known:
                with closing(world):
                    world.start(task.origin, 0)
                    seen: Counter[str] = Counter()
                    for action in (action for turn in task.gold for action in turn):
                        seen.update(world.run(action).observations)
                    self._known[task.id] = (world.toolkit.outcome_digest(), seen)
            return self._known[task.id]


class ToolWorld(World):
    """A toolkit's state, with what was seen of it so far.

    Args:
        toolkits: Toolkits by the kind of origin they understand.
        gold: Shared by the worlds of one domain.
    """

    version: ClassVar[str] = "2"

    def __init__(self, toolkits: Mapping[str, type[Toolkit]], gold: GoldOutcomes | None = None) -> None:
        self._toolkits = toolkits
        self._gold = gold or GoldOutcomes()
        self._toolkit: Toolkit | None = None
        self._seen: tuple[str, ...] = ()
        self._said: tuple[str, ...] = ()
        self._over = False

    @property
    def toolkit(self) -> Toolkit:
        """The toolkit.

        Raises:
            WrongState: Before `start`, or after `close`.
        """
        if self._toolkit is None:
            raise WrongState("world: it is not started, or closed", hint="call start first")
        return self._toolkit

    def start(self, origin: Origin, seed: int) -> None:
        """See `World.start`."""
        if origin.kind not in self._toolkits:
            raise InputError(f"origin: expected a kind of {sorted(self._toolkits)}, got {origin.kind!r}")
        toolkit = self._toolkits[origin.kind]()
        try:
            toolkit.start(origin, seed)
        except BaseException:
            toolkit.close()
            raise
        self.close()
        self._toolkit, self._seen, self._said, self._over = toolkit, (), (), False

    def run(self, action: Action) -> Effects:
        """Run the calls of an action in order.

        `detail` names them, and says after which the state was another and which tools can tell anything.

        No call runs after one that `Toolkit.ends` names: it fails. An action without calls is a message to the user:
        it changes nothing, and counts as said in `outcome`.
        """
        before = now = self.digest()
        observations, failed, changed = [], [], []
        for call in action.tool_calls:
            refused = self._over
            observations.append(HANDED_OVER if refused else self._call(call))
            failed.append(refused or self.toolkit.failed(observations[-1]))
            now, earlier = self.digest(), now
            changed.append(now != earlier)
        self._seen += tuple(observations)
        if not action.tool_calls:
            self._said += (action.content,)
        return Effects(
            observations=observations,
            state=now,
            before=before,
            failed=failed,
            detail={
                "calls": [_described(call) for call in action.tool_calls],
                "changed": changed,
                "tells": [self.toolkit.tells(call.name) for call in action.tool_calls],
            },
        )

    def _call(self, call: ToolCall) -> str:
        if isinstance(call.arguments, str):
            return NOT_AN_OBJECT
        text = self.toolkit.call(call.name, call.arguments)
        self._over = self._over or (self.toolkit.ends(call.name) and not self.toolkit.failed(text))
        return text

    def over(self) -> bool:
        """See `World.over`: after a call that `Toolkit.ends` names."""
        return self._over

    def fork(self) -> Self:
        """See `World.fork`."""
        copy = type(self)(self._toolkits, self._gold)
        copy._toolkit, copy._seen = self.toolkit.fork(), self._seen
        copy._said, copy._over = self._said, self._over
        return copy

    def keep(self, key: str) -> None:
        """See `World.keep`: nothing is stored; the toolkit lets go of what forks don't need."""
        self.toolkit.settle()

    def digest(self) -> str:
        """See `World.digest`: the toolkit's, and whether a call ended the task, which no later one can take back."""
        state = self.toolkit.digest()
        return digest({"state": state, "over": True}) if self._over else state

    def normalise(self, observation: str) -> str:
        """See `World.normalise`: white space, then the rule of the toolkit, where it is started."""
        plain = super().normalise(observation)
        return plain if self._toolkit is None else self._toolkit.normalise(plain)

    def close(self) -> None:
        """See `World.close`."""
        toolkit, self._toolkit = self._toolkit, None
        if toolkit is not None:
            toolkit.close()

    def outcome(self, task: Task) -> float:
        """1.0 if the final state is the gold's and all that is due was seen and said, else 0.0.

        Seen: every result of the gold's calls, where the toolkit's `results_count` (with the state, BFCL's two checks,
        at the end of the task instead of after each turn). Said: the texts in the task's `metadata["outputs"]`.
        """
        state, due = self._gold.of(task, type(self)(self._toolkits, self._gold))
        seen = not self.toolkit.results_count or due <= Counter(self._seen)
        said = told(task.metadata.get("outputs", ()), self._said)
        return float(self.toolkit.outcome_digest() == state and seen and said)


def _described(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}
