"""Runs of OpenHands: rows of an evaluation's `output.jsonl`, with the events of a run in either of its two forms.

Owns: events -> messages. Does not own: rows that carry chat messages (`readers.chat`), or what the tools do.

The older form has `action` and `observation` events, of which the actions carry the model's whole answer
(`tool_call_metadata`); in the oldest files they come in pairs. The newer one (the SDK's) has a `kind` in each event.
Events that no model saw or wrote (states of the agent, memory, condensing) are left out; so is what a user's rejection
or an error says beside a call: it is the call's observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pivotgym.core.jsonl import OnError, ReadReport, read_lines
from pivotgym.core.messages import Message, Tool, ToolCall
from pivotgym.core.readers.chat import from_chat_row
from pivotgym.core.trajectory import Origin, Trajectory

HARNESS = "openhands"
_WITHOUT_METADATA = {
    "run": ("execute_bash", "command"),
    "think": ("think", "thought"),
    "finish": ("finish", "final_thought"),
}
"""Actions of models without function calls: the tool that they are, and the argument of the event that it takes."""
_INSTANCE = ("instance_id", "repo", "base_commit", "image_name")


def read_openhands(
    path: str | Path, *, on_error: OnError = "stop", report: ReadReport | None = None
) -> Iterator[Trajectory]:
    """Yield the runs of an `output.jsonl`, one line in memory.

    Args:
        path: JSON Lines, optionally gzipped.
        on_error: `stop` (default) or `skip`, see `core.jsonl.read_lines`.
        report: Filled with counts and reasons.

    Raises:
        BadLine: At the first bad line, with `on_error="stop"`.
    """
    stem = Path(path).stem
    counter = iter(range(10**12))
    return read_lines(
        path, lambda row: from_openhands_row(row, name=f"{stem}/{next(counter)}"), on_error=on_error, report=report
    )


def from_openhands_row(row: Mapping[str, Any], *, name: str) -> Trajectory:
    """One run.

    Args:
        row: With `history`, the events (also as pairs), or `messages` in chat format.
        name: Its id, where it names no instance.

    Raises:
        ValueError: If it has neither, or an event cannot be read.
    """
    if not isinstance(row.get("history"), list) or not row["history"]:
        if "messages" in row:
            return from_chat_row({**row, "harness": HARNESS}, number=0, stem=name, domain="swe")
        raise ValueError("expected a field `history` with events, or `messages`")
    events = [event for item in row["history"] for event in (item if isinstance(item, list) else [item])]
    newer = any("kind" in event for event in events)
    messages, tools = _from_kinds(events) if newer else _from_actions(events)
    if not any(message.role == "assistant" for message in messages):
        raise ValueError("expected events of an agent, got none")
    result = row.get("test_result") or {}
    known = row.get("report") or result.get("report") or {}
    resolved = known.get("resolved", row.get("resolved"))
    kept = {key: row[key] for key in ("metadata", "metrics", "error") if row.get(key)}
    return Trajectory(
        id=str(row.get("instance_id", name)),
        domain="swe",
        messages=messages,
        tools=tools,
        origin=_origin(row),
        outcome=None if resolved is None else float(bool(resolved)),
        metadata={
            "harness": HARNESS,
            **({"git_patch": result["git_patch"]} if result.get("git_patch") else {}),
            **kept,
        },
    )


def _origin(row: Mapping[str, Any]) -> Origin:
    instance = {**row, **(row.get("instance") or {})}
    found = {key: instance[key] for key in _INSTANCE if isinstance(instance.get(key), str)}
    if "base_commit" in found:
        found["commit"] = found.pop("base_commit")
    return Origin.model_validate({"kind": "git", **found}) if "instance_id" in found else Origin(kind="none")


def _from_actions(events: Sequence[Mapping[str, Any]]) -> tuple[list[Message], list[Tool]]:
    """The older form."""
    messages: list[Message] = []
    tools: list[Tool] = []
    answers: set[str] = set()
    for number, event in enumerate(events):
        arguments = event.get("args") or {}
        action, source = event.get("action"), event.get("source")
        if "observation" in event:
            called = (event.get("tool_call_metadata") or {}).get("tool_call_id") or _open_call(messages)
            if called is not None and event["observation"] not in ("agent_state_changed", "recall", "null"):
                messages.append(Message(role="tool", content=str(event.get("content") or ""), tool_call_id=called))
        elif action == "system":
            messages.append(Message(role="system", content=str(arguments.get("content") or "")))
            tools = [Tool.model_validate(tool) for tool in arguments.get("tools") or []]
        elif action == "message" and source == "user":
            messages.append(Message(role="user", content=str(arguments.get("content") or "")))
        elif source == "agent" and action not in (None, "change_agent_state", "recall", "condensation", "null"):
            messages += _answer(event, number, answers)
    return messages, tools


def _answer(event: Mapping[str, Any], number: int, answers: set[str]) -> list[Message]:
    """The model's message that an action comes from; nothing for a further action of the same message."""
    response = (event.get("tool_call_metadata") or {}).get("model_response")
    arguments = event.get("args") or {}
    if not response:
        if event["action"] == "message":
            return [Message(role="assistant", content=str(arguments.get("content") or ""))]
        return [_without_metadata(event, number)]
    if response.get("id") in answers:
        return []
    answers.add(response.get("id"))
    message = response["choices"][0]["message"]
    calls = [ToolCall.model_validate(call) for call in message.get("tool_calls") or []]
    return [_assistant(message.get("content"), calls, message.get("reasoning_content"))]


def _without_metadata(event: Mapping[str, Any], number: int) -> Message:
    if event["action"] not in _WITHOUT_METADATA:
        raise ValueError(f"event {number}: expected `tool_call_metadata` in the action {event['action']!r}, got none")
    arguments = event.get("args") or {}
    tool, argument = _WITHOUT_METADATA[event["action"]]
    value = str(arguments.get(argument) or "")
    given = {"message" if tool == "finish" else argument: value}
    call = ToolCall(name=tool, arguments=given, id=f"event_{number}")
    return _assistant(arguments.get("thought") if tool != "think" else None, [call], None)


def _open_call(messages: Sequence[Message]) -> str | None:
    """The last call made without metadata, where nothing has answered it yet."""
    last = messages[-1] if messages else None
    calls = (last.tool_calls or []) if last is not None and last.role == "assistant" else []
    return calls[-1].id if calls and (calls[-1].id or "").startswith("event_") else None


def _from_kinds(events: Sequence[Mapping[str, Any]]) -> tuple[list[Message], list[Tool]]:
    """The SDK's form."""
    messages: list[Message] = []
    tools: list[Tool] = []
    answer: tuple[str | None, Message] | None = None
    for event in events:
        kind = event.get("kind")
        if kind == "SystemPromptEvent":
            messages.append(Message(role="system", content=_text(event.get("system_prompt"))))
            tools = [Tool.model_validate(tool) for tool in event.get("tools") or [] if "function" in tool]
        elif kind == "MessageEvent":
            said = event.get("llm_message") or {}
            role = said.get("role") or ("assistant" if event.get("source") == "agent" else "user")
            messages.append(Message(role=role, content=_text(said.get("content"))))
        elif kind == "ActionEvent":
            response = event.get("llm_response_id")
            if answer is not None and response is not None and answer[0] == response:
                answer[1].tool_calls = [*(answer[1].tool_calls or []), _call(event)]
                continue
            message = _assistant(_text(event.get("thought")), [_call(event)], event.get("reasoning_content"))
            messages.append(message)
            answer = response, message
        elif event.get("tool_call_id") and kind in ("ObservationEvent", "AgentErrorEvent", "UserRejectObservation"):
            shown = event.get("observation") or event.get("error") or event.get("rejection_reason")
            messages.append(Message(role="tool", content=_text(shown), tool_call_id=event["tool_call_id"]))
    return messages, tools


def _call(event: Mapping[str, Any]) -> ToolCall:
    call = event.get("tool_call") or {}
    call = call.get("function") or call
    name = call.get("name") or event["tool_name"]
    action = {key: value for key, value in (event.get("action") or {}).items() if key != "kind"}
    arguments = call.get("arguments", action)
    return ToolCall.model_validate({"name": name, "arguments": arguments, "id": event.get("tool_call_id")})


def _text(value: Any) -> str:
    """The text of a content, its parts, or of an observation that holds one."""
    if isinstance(value, Mapping):
        return _text(next((value[key] for key in ("text", "content", "output") if value.get(key) is not None), ""))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "\n".join(filter(None, (_text(part) for part in value)))
    return str(value or "")


def _assistant(content: Any, calls: list[ToolCall], reasoning: Any) -> Message:
    return Message(
        role="assistant", content=_text(content) or None, tool_calls=calls or None, reasoning=reasoning or None
    )
