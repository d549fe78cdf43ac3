"""`qwen` and `qwen2.5`: the tag format of `hermes` as Qwen models know it.

Owns: the wording of the tools that Qwen's chat templates have, which is part of the protocol: a model reads it as it
was trained. `qwen` is Qwen3's: thinking before the action, kept in the prompt for the steps since the user last
spoke. `qwen2.5` has no thinking in prompts, and a system text of its own where the conversation has none.

Does not own: reading actions (`hermes`). Other than the templates, no text of a message can open or close a turn.
"""

from __future__ import annotations

from pivotgym.core.formats.hermes import Hermes, action_text, listed, thought
from pivotgym.core.messages import Action, Message, Tool

_BEFORE = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
)
_AFTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


class Qwen(Hermes):
    """See the module. Stateless."""

    name = "qwen"
    version = 1

    def _system(self, texts: list[str], tools: list[Tool]) -> str:
        return "\n\n".join([*texts, _BEFORE + listed(tools) + _AFTER] if tools else texts)

    def _past(self, messages: list[Message], place: int) -> str:
        action = Action.from_message(messages[place])
        live = all(message.role != "user" for message in messages[place:])
        return (thought(action.reasoning) if live else "") + action_text(action)


class Qwen25(Qwen):
    """See the module. Stateless."""

    name = "qwen2.5"

    def _system(self, texts: list[str], tools: list[Tool]) -> str:
        return super()._system(texts or ["You are Qwen, created by Alibaba Cloud. You are a helpful assistant."], tools)

    def _past(self, messages: list[Message], place: int) -> str:
        return action_text(Action.from_message(messages[place]))


FORMAT = Qwen()
FORMAT_25 = Qwen25()
