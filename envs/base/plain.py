"""`PlainWorld`: a world whose state is one JSON value and whose actions are calls of tools.

Owns: checking a call's arguments against its tool, copying and digesting the state, and telling the policy's mistakes
from breakage. Does not own: what a tool does, or any state that is more than a JSON value (write a `World` then).
"""

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Self

from jsonschema import Draft202012Validator

from pivotgym.core.canonical import digest
from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Effects
from pivotgym.envs.base.contract import World


class ToolError(Exception):
    """The policy's mistake in a call that fits its tool's schema; the policy is shown the text."""


class PlainWorld(World):
    """A domain implements `start`, which sets `state`, and `call`.

    Attributes:
        tools: What can be called.
        state: The state, a JSON value. Nothing else may change by a call.
    """

    tools: ClassVar[Sequence[Tool]] = ()
    state: Any = None

    @abstractmethod
    def call(self, name: str, given: dict[str, Any]) -> Any:
        """Carry out one call.

        Args:
            name: One of `tools`.
            given: Its arguments, which fit the tool's schema.

        Returns:
            What the policy sees: a text, or a JSON value that is shown as one.

        Raises:
            ToolError: If the policy made a mistake; the state must be as before.
        """

    def run(self, action: Action) -> Effects:
        """Carry out an action's calls in their order."""
        answers = [self._answer(call) for call in action.tool_calls]
        return Effects(observations=[text for text, _ in answers], failed=[failed for _, failed in answers])

    def _answer(self, call: ToolCall) -> tuple[str, bool]:
        """What a call shows, and whether it failed."""
        tool = next((tool for tool in self.tools if tool.name == call.name), None)
        if tool is None:
            return f"error: no tool is called {call.name!r}", True
        if not isinstance(call.arguments, dict):
            return "error: the arguments are no JSON object", True
        wrong = next(iter(_validator(json.dumps(tool.parameters)).iter_errors(call.arguments)), None)
        if wrong is not None:
            return f"error: {'.'.join(map(str, wrong.path)) or 'arguments'}: {wrong.message}", True
        try:
            shown = self.call(call.name, call.arguments)
        except ToolError as error:
            return f"error: {error}", True
        return (shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, sort_keys=True)), False

    def fork(self) -> Self:
        """A copy with a state of its own."""
        made = type(self)()
        made.state = copy.deepcopy(self.state)
        return made

    def digest(self) -> str:
        """SHA-256 of the state."""
        return digest(self.state)


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
