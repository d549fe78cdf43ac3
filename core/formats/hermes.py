"""`hermes`: tools and calls as JSON in `<tools>`, `<tool_call>` and `<tool_response>` tags, in ChatML turns.

Owns: the tag format that Hermes and Qwen models are trained on, with `<think>` blocks read into `reasoning`.
Does not own: a model's own chat template, which may word the instruction differently.
"""

from __future__ import annotations

import json
import re

from pivotgym.core.formats.chatml import END, inert, open_turn, turn, until_end
from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_INSTRUCTION = (
    "The functions you can call are listed in the <tools> tags. To call one, write a JSON object with its name and "
    'arguments in tags of its own: <tool_call>{"name": ..., "arguments": {...}}</tool_call>'
)


class Hermes:
    """See the module. Stateless."""

    name = "hermes"
    version = 1
    stop = (END,)

    def render(self, messages: list[Message], tools: list[Tool]) -> str:
        """The prompt; consecutive tool messages share one user turn, as in training data of this format."""
        system = [message.text for message in messages if message.role in ("system", "developer")]
        if tools:
            listed = "\n".join(json.dumps(tool.model_dump(), ensure_ascii=False) for tool in tools)
            system.append(f"{_INSTRUCTION}\n<tools>\n{listed}\n</tools>")
        parts = [turn("system", inert("\n\n".join(system)))] if system else []
        responses: list[str] = []
        for message in messages:
            if message.role == "tool":
                responses.append(f"<tool_response>\n{inert(message.text)}\n</tool_response>")
                continue
            parts.extend(_flush(responses))
            if message.role == "assistant":
                parts.append(turn("assistant", inert(_action_text(Action.from_message(message)))))
            elif message.role == "user":
                parts.append(turn("user", inert(message.text)))
        return "".join([*parts, *_flush(responses)]) + open_turn("assistant")

    def render_action(self, action: Action) -> str:
        """The action's text with the end marker; reasoning first, where there is any."""
        thought = f"<think>\n{action.reasoning}\n</think>\n\n" if action.reasoning else ""
        return inert(thought + _action_text(action)) + END

    def parse(self, text: str) -> Action | Malformed:
        """Text outside the tags is content; each tag must hold an object with `name` and `arguments`."""
        body = until_end(text)
        head, closed, tail = body.rpartition("</think>")
        reasoning = head.replace("<think>", "").strip() if closed else None
        body = tail if closed else body
        if not closed and body.lstrip().startswith("<think>"):
            return Malformed(text=text, reason="expected an action after <think>, got thinking that never ends")
        calls = []
        for match in _CALL.finditer(body):
            call = _parse_call(match.group(1))
            if isinstance(call, str):
                return Malformed(text=text, reason=f"expected a JSON object in <tool_call>: {call}")
            calls.append(call)
        content = _CALL.sub("", body).strip()
        if not calls and not content:
            return Malformed(text=text, reason="expected an action, got no text")
        return Action(content=content, tool_calls=tuple(calls), reasoning=reasoning or None)


def _flush(responses: list[str]) -> list[str]:
    if not responses:
        return []
    joined = turn("user", "\n".join(responses))
    responses.clear()
    return [joined]


def _action_text(action: Action) -> str:
    calls = [
        f'<tool_call>\n{{"name": {json.dumps(call.name, ensure_ascii=False)}, "arguments": {call.arguments_text}}}\n'
        "</tool_call>"
        for call in action.tool_calls
    ]
    return "\n".join(([action.content] if action.content else []) + calls)


def _parse_call(text: str) -> ToolCall | str:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        return str(error)
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return "it has no `name`"
    arguments = data.get("arguments", data.get("parameters", {}))
    if isinstance(arguments, dict | str):
        return ToolCall(name=data["name"], arguments=arguments)
    return f"`arguments` is {type(arguments).__name__}"


FORMAT = Hermes()
