"""`qwen`, `qwen-instruct` and `qwen2.5`: the tag format of `hermes` as Qwen models know it.

Owns: the wording of the tools that Qwen's chat templates have, which is part of the protocol: a model reads it as it
was trained. `qwen` is Qwen3's: thinking before the action, kept in the prompt for the steps since the user last
spoke. `qwen-instruct` is that of the Qwen3 models that never think. `qwen2.5` has no thinking in prompts either, and a
system text of its own where the conversation has none.

Does not own: reading actions (`hermes`). Other than the templates, no text of a message can open or close a turn.
"""

from __future__ import annotations

from pivotgym.core.formats.hermes import Hermes, action_text, listed, split_thinking, thought
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
    version = 2

    def _system(self, texts: list[str], tools: list[Tool]) -> str:
        return "\n\n".join([*texts, _BEFORE + listed(tools) + _AFTER] if tools else texts)

    def _past(self, messages: list[Message], place: int) -> str:
        action = _thought_apart(Action.from_message(messages[place]))
        live = all(message.role != "user" for message in messages[place:])
        return (thought(action.reasoning) if live else "") + action_text(action)


class QwenInstruct(Qwen):
    """See the module. Stateless."""

    name = "qwen-instruct"
    version = 1

    def _past(self, messages: list[Message], place: int) -> str:
        return action_text(Action.from_message(messages[place]))


class Qwen25(QwenInstruct):
    """See the module. Stateless."""

    name = "qwen2.5"

    def _system(self, texts: list[str], tools: list[Tool]) -> str:
        return super()._system(texts or ["You are Qwen, created by Alibaba Cloud. You are a helpful assistant."], tools)


def _thought_apart(action: Action) -> Action:
    """Thinking that a server left in the text, where the templates look for it, too."""
    if action.reasoning or "</think>" not in action.content:
        return action
    reasoning, rest = split_thinking(action.content)
    return action.model_copy(update={"reasoning": reasoning, "content": (rest or "").lstrip("\n")})


FORMAT = Qwen()
FORMAT_INSTRUCT = QwenInstruct()
FORMAT_25 = Qwen25()
