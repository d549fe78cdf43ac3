"""`hermes`: tools and calls as JSON in `<tools>`, `<tool_call>` and `<tool_response>` tags, in ChatML turns.

Owns: the tag format that Hermes models are trained on, with `<think>` blocks read into `reasoning`. Does not own: the
wording that other models of this family know (`qwen`), or a model's own chat template.
"""

from __future__ import annotations

import json
from typing import Any

from pivotgym.core.formats.chatml import END, inert, open_turn, turn, until_end
from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_INSTRUCTION = (
    "The functions you can call are listed in the <tools> tags. To call one, write a JSON object with its name and "
    'arguments in tags of its own: <tool_call>{"name": ..., "arguments": {...}}</tool_call>'
)


class Hermes:
    """See the module. Stateless."""

    name = "hermes"
    version = 1
    stop = (END,)
    bos = ""

    def render(self, messages: list[Message], tools: list[Tool]) -> str:
        """The prompt; consecutive tool messages share one user turn, as in training data of this format."""
        system = self._system([m.text for m in messages if m.role in ("system", "developer")], tools)
        parts = [turn("system", inert(system))] if system else []
        responses: list[str] = []
        for place, message in enumerate(messages):
            if message.role == "tool":
                responses.append(f"<tool_response>\n{inert(message.text)}\n</tool_response>")
                continue
            parts.extend(_flush(responses))
            if message.role == "assistant":
                parts.append(turn("assistant", inert(self._past(messages, place))))
            elif message.role == "user":
                parts.append(turn("user", inert(message.text)))
        return "".join([*parts, *_flush(responses)]) + open_turn("assistant")

    def _system(self, texts: list[str], tools: list[Tool]) -> str:
        if tools:
            texts = [*texts, f"{_INSTRUCTION}\n<tools>\n{listed(tools)}\n</tools>"]
        return "\n\n".join(texts)

    def _past(self, messages: list[Message], place: int) -> str:
        return action_text(Action.from_message(messages[place]))

    def render_action(self, action: Action) -> str:
        """The action's text with the end marker; reasoning first, where there is any."""
        return inert(thought(action.reasoning) + action_text(action)) + END

    def parse(self, text: str) -> Action | Malformed:
        """Text outside the tags is content; each tag must hold an object with `name` and `arguments`."""
        reasoning, body = split_thinking(until_end(text))
        if body is None:
            return Malformed(text=text, reason="expected an action after <think>, got thinking that never ends")
        content, *tagged = body.split(_OPEN, 1)
        calls: list[ToolCall] = []
        while tagged:
            call, rest = _read_call(tagged[0])
            if isinstance(call, str):
                return Malformed(text=text, reason=f"expected a JSON object in <tool_call>: {call}")
            calls.append(call)
            between, *tagged = rest.split(_OPEN, 1)
            content += between
        content = content.strip()
        if not calls and not content:
            return Malformed(text=text, reason="expected an action, got no text")
        return Action(content=content, tool_calls=tuple(calls), reasoning=reasoning)


def split_thinking(text: str) -> tuple[str | None, str | None]:
    """Thinking and the rest; the rest is `None` where the thinking never ends.

    A prompt may have opened the thinking already, so that the text only closes it; but not after a call has begun.
    """
    inside, closed, rest = text.partition("</think>")
    opened = text.lstrip().startswith("<think>")
    if closed and (opened or _OPEN not in inside):
        return inside.replace("<think>", "", 1).strip() or None, rest
    return None, None if opened else text


def _flush(responses: list[str]) -> list[str]:
    if not responses:
        return []
    joined = turn("user", "\n".join(responses))
    responses.clear()
    return [joined]


def listed(tools: list[Tool]) -> str:
    """The tools as JSON, one a line."""
    return "\n".join(json.dumps(tool.model_dump(), ensure_ascii=False) for tool in tools)


def thought(reasoning: str | None) -> str:
    """Thinking in its tags, before the action; empty where there is none."""
    return f"<think>\n{reasoning}\n</think>\n\n" if reasoning else ""


def action_text(action: Action) -> str:
    """The action without its thinking."""
    calls = [
        f'<tool_call>\n{{"name": {json.dumps(call.name, ensure_ascii=False)}, "arguments": {call.arguments_text}}}\n'
        "</tool_call>"
        for call in action.tool_calls
    ]
    return "\n".join(([action.content] if action.content else []) + calls)


def _read_call(text: str) -> tuple[ToolCall | str, str]:
    """The call at the beginning of a text, or what is wrong with it, and the text after its closing tag."""
    # The JSON is read first: its strings may hold the closing tag.
    start = text.lstrip()
    try:
        data, end = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError) as error:
        return str(error), ""
    inner, _, rest = start[end:].partition(_CLOSE)
    return (f"text after it: {inner.strip()[:40]!r}" if inner.strip() else call_of(data)), rest


def call_of(data: Any) -> ToolCall | str:
    """The call that a JSON value with `name` and `arguments` (or `parameters`) is, or what is wrong with it.

    A call without arguments may leave them out, but then it has nothing else: other keys are not a call's.
    """
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return "it has no `name`"
    others = sorted(data.keys() - ({"name", "type"} if data.get("type") == "function" else {"name"}))
    if others and not data.keys() & {"arguments", "parameters"}:
        return f"it has neither `arguments` nor `parameters`, but {str(others)[:80]}"
    arguments = data.get("arguments", data.get("parameters", {}))
    if isinstance(arguments, dict | str):
        return ToolCall(name=data["name"], arguments=arguments)
    return f"`arguments` is {type(arguments).__name__}"


FORMAT = Hermes()
