"""`llama-json`: calls as `{"name": ..., "parameters": {...}}`, in the turns of Llama 3.1 and later.

Owns: that format's prompts and actions. Does not own: Llama's built-in tools, whose calls are Python.

Prompts are those of Llama 3.1's chat template. Where that has no answer: several calls are separated by `; ` (it
refuses them); a call follows the text of its action after `<|python_tag|>` (it drops the text); the date is the one it
has where none is given, since the same state must give the same prompt on every day; and no text of a message can open
or close a turn.
"""

from __future__ import annotations

import json
import re

from pivotgym.core.formats.chatml import inert as without
from pivotgym.core.formats.hermes import call_of
from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall

END, TAG = "<|eot_id|>", "<|python_tag|>"
_ENDS = (END, "<|eom_id|>")
_MARKERS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", *_ENDS, TAG)
_INSTRUCTION = (
    "Given the following functions, please respond with a JSON for a function call with its proper arguments that "
    'best answers the given prompt.\n\nRespond in the format {"name": function name, "parameters": dictionary of '
    "argument name and its value}.Do not use variables.\n\n"
)
_DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
_LIKE_A_CALL = re.compile(r"\[?\s*\{\s*\"(name|parameters|arguments|type|function)\"\s*:")


class LlamaJson:
    """See the module. Stateless."""

    name = "llama-json"
    version = 2
    stop = _ENDS
    bos = "<|begin_of_text|>"

    def render(self, messages: list[Message], tools: list[Tool]) -> str:
        """The prompt; the tools are listed in the first user turn, or in the system turn where there is none."""
        system = [message.text for message in messages if message.role in ("system", "developer")]
        shown = _INSTRUCTION + "".join(_listed(tool) for tool in tools) if tools else ""
        if shown and all(message.role != "user" for message in messages):
            system, shown = [*system, shown], ""
        head = ("Environment: ipython\n" if tools else "") + _DATES
        parts = [self.bos, _turn("system", head + _inert("\n\n".join(system).strip()))]
        for message in messages:
            if message.role == "assistant":
                parts.append(_turn("assistant", _action_text(Action.from_message(message)).strip()))
            elif message.role == "tool":
                parts.append(_turn("ipython", _inert(json.dumps(message.text, ensure_ascii=False))))
            elif message.role == "user":
                parts.append(_turn("user", _inert(shown + message.text.strip())))
                shown = ""
        return "".join(parts) + _head("assistant")

    def render_action(self, action: Action) -> str:
        """The action's text with the end marker; thinking is left out."""
        return _action_text(action) + END

    def parse(self, text: str) -> Action | Malformed:
        """Calls from the start or after the tag, each an object with `name` and `parameters`; else all is content."""
        body = re.split("|".join(map(re.escape, _ENDS)), text, maxsplit=1)[0]
        content, tagged, tail = body.partition(TAG)
        if not tagged and not body.strip():
            return Malformed(text=text, reason="expected an action, got no text")
        calls = _read_calls(tail if tagged else body)
        if not isinstance(calls, str):
            return Action(content=content.strip() if tagged else "", tool_calls=tuple(calls))
        if tagged or _meant_as_calls(body.strip()):
            return Malformed(text=text, reason=f'expected calls as {{"name": ..., "parameters": ...}}: {calls}')
        return Action(content=body.strip())


def _meant_as_calls(text: str) -> bool:
    """Whether a text that is no call begins like one, and is no JSON of something else that has a `name` or `type`."""
    if not _LIKE_A_CALL.match(text):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return True
    items = value if isinstance(value, list) else [value]
    return any(
        item.keys() & {"parameters", "arguments", "function"} or item.get("type") == "function"
        for item in items
        if isinstance(item, dict)
    )


def _read_calls(text: str) -> list[ToolCall] | str:
    """JSON objects, or lists of them, separated by semicolons, commas or space; a text says what is wrong."""
    decoder, rest = json.JSONDecoder(), text.strip()
    calls: list[ToolCall] = []
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError) as error:
            return str(error)
        for item in value if isinstance(value, list) else [value]:
            call = call_of(item)
            if isinstance(call, str):
                return call
            calls.append(call)
        rest = rest[end:].lstrip(" \t\r\n;,")
    return calls or "no call"


def _action_text(action: Action) -> str:
    calls = "; ".join(
        f'{{"name": {json.dumps(call.name, ensure_ascii=False)}, "parameters": {_parameters(call)}}}'
        for call in action.tool_calls
    )
    content = _inert(action.content)
    return f"{content}{TAG}{_inert(calls)}" if content and calls else content + _inert(calls)


def _parameters(call: ToolCall) -> str:
    # A call whose arguments are no JSON object is shown as the text it was, so that the whole stays readable JSON.
    return json.dumps(call.arguments, ensure_ascii=False)


def _listed(tool: Tool) -> str:
    return json.dumps(tool.model_dump(), ensure_ascii=False, indent=4) + "\n\n"


def _inert(text: str) -> str:
    return without(text, _MARKERS)


def _head(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


def _turn(role: str, text: str) -> str:
    return _head(role) + text + END


FORMAT = LlamaJson()
