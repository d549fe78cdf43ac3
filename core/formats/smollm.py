"""`smollm`: short prompts and short actions for a policy of a hundred million parameters.

Owns: tools as one-line signatures, calls as a Python list of calls, `[cd(folder='docs'), ls()]`, in ChatML turns.
Does not own: the rich JSON form that larger models are trained on (`hermes`).

Lossy on purpose: of a tool the prompt shows name, parameter names, types, enumerations, defaults and the first sentence
of the description. A call costs about half the tokens of its JSON form. A name that Python cannot spell is written as
a string (`'get-weather'(city='Oslo')`), a parameter as `**{'from': 1}`.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from typing import Any

from pivotgym.core.formats.chatml import END, inert, open_turn, turn, until_end
from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall

_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}
_INSTRUCTION = "Call functions as [name(arg=value)] or answer in text. Functions:"
_NAMES = {"true": True, "false": False, "null": None}


class SmolLM:
    """See the module. Stateless."""

    name = "smollm"
    version = 1
    stop = (END,)
    bos = ""

    def render(self, messages: list[Message], tools: list[Tool]) -> str:
        """The prompt; tools go into one leading system turn with the conversation's own system text."""
        system = [message.text for message in messages if message.role in ("system", "developer")]
        if tools:
            system.append("\n".join([_INSTRUCTION, *(signature(tool) for tool in tools)]))
        parts = [turn("system", inert("\n\n".join(system)))] if system else []
        for message in messages:
            if message.role == "assistant":
                parts.append(turn("assistant", inert(_action_text(Action.from_message(message)))))
            elif message.role in ("user", "tool"):
                parts.append(turn(message.role, inert(message.text)))
        return "".join(parts) + open_turn("assistant")

    def render_action(self, action: Action) -> str:
        """The action's text with the end marker."""
        return inert(_action_text(action)) + END

    def parse(self, text: str) -> Action | Malformed:
        """Text, or text followed by one list of calls on a line of its own."""
        body = until_end(text).strip()
        start = 0 if body.startswith("[") else body.find("\n[") + 1
        if not body.startswith("[") and not start:
            return Action(content=body) if body else Malformed(text=text, reason="expected an action, got no text")
        try:
            calls = _parse_calls(body[start:])
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if not re.match(r"\[\s*['\"\w]", body[start:]):
                return Action(content=body)
            return Malformed(text=text, reason=f"expected a list of calls [name(arg=value)]: {error}")
        return Action(content=body[:start].rstrip(), tool_calls=tuple(calls))


def signature(tool: Tool) -> str:
    """One line: `name(a: str, b: int = 3): First sentence.`."""
    required = set(tool.parameters.get("required", ()))
    parameters = []
    for name, schema in tool.parameters.get("properties", {}).items():
        text = f"{name}: {_type(schema)}"
        if name not in required:
            text += f" = {schema['default']!r}" if "default" in schema else " = None"
        parameters.append(text)
    first = re.split(r"(?<=[.!?])\s", tool.description.strip(), maxsplit=1)[0]
    return f"{tool.name}({', '.join(parameters)}): {first}"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return "|".join(_TYPES.get(item, str(item)) for item in kind)
    return _TYPES.get(kind, str(kind))


def _action_text(action: Action) -> str:
    if not action.tool_calls:
        return action.content
    calls = "[" + ", ".join(_call_text(call) for call in action.tool_calls) + "]"
    return f"{action.content}\n{calls}" if action.content else calls


def _call_text(call: ToolCall) -> str:
    name = call.name if all(map(_spelled, call.name.split("."))) else repr(call.name)
    if isinstance(call.arguments, str):
        return f"{name}({call.arguments})"
    plain = {key: value for key, value in call.arguments.items() if _spelled(key)}
    odd = {key: value for key, value in call.arguments.items() if key not in plain}
    parts = [f"{key}={value!r}" for key, value in plain.items()]
    return f"{name}({', '.join(parts + ([f'**{odd!r}'] if odd else []))})"


def _spelled(name: str) -> bool:
    # ASCII only: Python folds other identifiers (NFKC), so that they would not come back as they were.
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def _parse_calls(text: str) -> list[ToolCall]:
    tree = ast.parse(text, mode="eval").body
    if not isinstance(tree, ast.List) or not tree.elts:
        raise ValueError("not a non-empty list")
    return [_parse_call(node) for node in tree.elts]


def _parse_call(node: ast.expr) -> ToolCall:
    if not isinstance(node, ast.Call):
        raise ValueError(f"an item is no call but {type(node).__name__}")
    if node.args:
        raise ValueError("arguments must be named")
    arguments: dict[str, Any] = {}
    for item in node.keywords:
        value = _value(item.value)
        added = {item.arg: value} if item.arg is not None else value
        if not isinstance(added, dict) or not all(isinstance(key, str) for key in added):
            raise ValueError("** must be followed by a dict with text keys")
        if repeated := added.keys() & arguments.keys():
            raise ValueError(f"argument {sorted(repeated)[0]!r} is given twice")
        arguments.update(added)
    return ToolCall(name=_callee(node.func), arguments=arguments)


def _callee(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_callee(node.value)}.{node.attr}"
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError("the called thing is not a name")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise ValueError("** inside a value")
        return {_key(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    value = ast.literal_eval(node)
    if isinstance(value, bytes | complex | set) or value is ...:
        raise ValueError(f"{type(value).__name__} is no JSON value")
    return value


def _key(node: ast.expr | None) -> str:
    value = ast.literal_eval(node) if node is not None else None
    if not isinstance(value, str):
        raise ValueError("keys of a dict must be text")
    return value


FORMAT = SmolLM()
