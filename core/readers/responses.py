"""Items of OpenAI's Responses API <-> chat messages, tools and actions.

Owns: how the items of one turn (reasoning, text, calls) become one assistant message and the other way round. Does not
own: rows of a data set (`readers.nemo_gym`), or what a verifier makes of an action.

A turn is any reasoning, then at most one text, then any calls; whatever comes out of that order begins a new turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall

Item = dict[str, Any]
NO_ACTION = "no call and no text of an assistant was found in the response"


def messages_of(items: str | Sequence[Item]) -> list[Message]:
    """The chat messages that a request's `input` says.

    Raises:
        ValueError: If an item is of a kind that no chat message can say; names the item.
    """
    if isinstance(items, str):
        return [Message(role="user", content=items)]
    if not isinstance(items, list | tuple):
        raise ValueError(f"input: expected a text or a list of items, got {type(items).__name__}")
    messages: list[Message] = []
    turn: Item | None = None
    for place, item in enumerate(items):
        kind = _kind(item, place)
        if kind in ("reasoning", "assistant", "function_call"):
            if turn is None or _begins(kind, turn):
                _close(turn, messages)
                turn = {"role": "assistant"}
            _add(turn, kind, item, place)
            continue
        _close(turn, messages)
        turn = None
        messages.append(_plain(item, kind, place))
    _close(turn, messages)
    return messages


def _close(turn: Item | None, messages: list[Message]) -> None:
    if turn is not None:
        messages.append(Message.model_validate(turn))


def _kind(item: Any, place: int) -> str:
    """The item's type, or the role of a message."""
    if not isinstance(item, dict):
        raise ValueError(f"input.{place}: expected an object, got {type(item).__name__}")
    kind = item.get("type", "message")
    if kind == "message":
        kind = item.get("role")
        if kind in ("system", "developer", "user", "assistant"):
            return str(kind)
        raise ValueError(f"input.{place}.role: expected system, developer, user or assistant, got {kind!r}")
    if kind in ("reasoning", "function_call", "function_call_output"):
        return str(kind)
    raise ValueError(
        f"input.{place}.type: expected message, reasoning, function_call or function_call_output, got {kind!r}"
    )


def _begins(kind: str, turn: Item) -> bool:
    """Whether an item begins a new turn rather than going on with this one."""
    return kind != "function_call" and ("content" in turn or "tool_calls" in turn)


def _add(turn: Item, kind: str, item: Item, place: int) -> None:
    if kind == "reasoning":
        turn["reasoning"] = turn.get("reasoning", "") + thinking(item)
    elif kind == "assistant":
        turn["content"] = _content(item.get("content"), f"input.{place}.content")
    else:
        turn.setdefault("tool_calls", []).append(call_of(item, f"input.{place}"))


def _plain(item: Item, kind: str, place: int) -> Message:
    if kind != "function_call_output":
        return Message(role=kind, content=_content(item.get("content"), f"input.{place}.content"))
    return Message(
        role="tool",
        content=_content(item.get("output"), f"input.{place}.output"),
        tool_call_id=str(item.get("call_id", "")),
    )


def _content(value: Any, where: str) -> str | list[Item]:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, dict) for part in value)):
        return value
    raise ValueError(f"{where}: expected a text or a list of parts, got {type(value).__name__}")


def call_of(item: Item, where: str) -> ToolCall:
    """The call that an item of type `function_call` is.

    Raises:
        ValueError: If it has no name, or arguments that are neither text nor an object.
    """
    name, arguments = item.get("name"), item.get("arguments", "")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}.name: expected a tool's name, got {name!r}")
    if not isinstance(arguments, str | dict):
        raise ValueError(f"{where}.arguments: expected JSON text, got {type(arguments).__name__}")
    call_id = item.get("call_id")
    return ToolCall(name=name, arguments=arguments, id=None if call_id is None else str(call_id))


def thinking(item: Item) -> str:
    """The text of a reasoning item: its content, else its summary."""
    parts = item.get("content") or item.get("summary") or []
    if not isinstance(parts, list):
        return ""
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def items_of(messages: Iterable[Message]) -> list[Item]:
    """The items that say what these messages say; `messages_of` reads them back."""
    return [item for message in messages for item in _items(message)]


def _items(message: Message) -> list[Item]:
    if message.role == "tool":
        return [
            {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": message.content or ""}
        ]
    if message.role != "assistant":
        return [{"role": message.role, "content": message.content or ""}]
    items: list[Item] = []
    if message.reasoning is not None:
        items.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": message.reasoning}]})
    if message.content is not None:
        items.append({"role": "assistant", "content": message.content})
    return [*items, *(call_item(call) for call in message.tool_calls or ())]


def call_item(call: ToolCall) -> Item:
    """A call as an item."""
    item: Item = {"type": "function_call", "name": call.name, "arguments": call.arguments_text}
    return item if call.id is None else {**item, "call_id": call.id}


def tool_of(flat: Any, where: str) -> Tool:
    """A tool from the flat form `{type, name, description, parameters, strict}` or the nested one.

    Raises:
        ValueError: If it is neither.
    """
    nested = flat.get("function", flat) if isinstance(flat, dict) else None
    if not isinstance(nested, dict) or not isinstance(nested.get("name"), str):
        raise ValueError(f"{where}: expected a function tool with a name, got {str(flat)[:80]!r}")
    given = {key: nested[key] for key in ("description", "parameters", "strict") if nested.get(key) is not None}
    return Tool.model_validate({"name": nested["name"], **given})


def tool_item(tool: Tool) -> Item:
    """A tool in the flat form."""
    item: Item = {"type": "function", **tool.model_dump()["function"]}
    return item


def action_of(output: Sequence[Item], *, raw: bool = False, truncated: bool = False) -> Action | Malformed:
    """What a policy did, from the `output` of its response.

    Args:
        output: The response's items; those that are no text and no call are passed over.
        raw: Leave arguments as the text that came, unread, for rules that look at the text.
        truncated: Whether the policy was cut at its token limit.

    Raises:
        ValueError: If an item is broken; names it.
    """
    texts: list[str] = []
    calls: list[ToolCall] = []
    reasoning: list[str] = []
    for place, item in enumerate(output):
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind is None:
            raise ValueError(f"response.output.{place}: expected an object, got {type(item).__name__}")
        if kind == "function_call":
            calls.append(_policy_call(item, f"response.output.{place}", raw))
        elif kind == "message" and item.get("role", "assistant") == "assistant":
            texts.append(_spoken(item.get("content"), f"response.output.{place}.content"))
        elif kind == "reasoning":
            reasoning.append(thinking(item))
    if not texts and not calls:
        return Malformed(text="", reason=NO_ACTION, truncated=truncated)
    return Action.model_construct(
        content="".join(texts), tool_calls=tuple(calls), reasoning="".join(reasoning) or None, truncated=truncated
    )


def _policy_call(item: Item, where: str, raw: bool) -> ToolCall:
    if not raw or not isinstance(item.get("arguments"), str):
        return call_of(item, where)
    checked = call_of({**item, "arguments": "{}"}, where)
    return checked.model_copy(update={"arguments": item["arguments"]})


def _spoken(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    parts = _content(content, where)
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
