"""NVIDIA's released pivot rows, in their three public shapes, as `Pivot` and back without loss.

The shapes: conversational and function-calling rows (`expected_action`, profiles of other policies), SWE rows
(`expected_action`, `ref_patch`, `ref_message`) and terminal rows (`expected_answer`, a JSON text). All carry
`responses_create_params`, a request of OpenAI's Responses API.

Owns: what of a row is the state, the tools and the expert's action, and where the rest is kept. Does not own: items of
the Responses API (`readers.responses`), or scoring (`verifiers.nemo_gym`).

What a pivot does not say is kept in `metadata["nemo_gym"]`: unknown fields whole, and for items, tools and targets only
what differs from how we would write them. Writing an unchanged pivot gives the row that was read; writing a changed one
gives the changed state with the row's other fields. Profiles of other policies stay there too: they were made with
another text format, and a `Profile` would claim that they fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.jsonl import OnError, ReadReport, read_lines, write_records
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.readers.responses import call_item, call_of, items_of, messages_of, tool_item, tool_of
from pivotgym.core.trajectory import Pivot

KEPT = "nemo_gym"
"""The field of a pivot's metadata that holds what the pivot does not say."""
_SEARCHES = frozenset(("search", "browsecomp"))
"""Words in the names of agents that search the web."""
_SCORED = ("metadata", "harness", "threshold")
"""What NeMo Gym's rules look at beside the state and the expert's action."""


def read_nemo_gym(
    path: str | Path,
    *,
    domain: str | None = None,
    on_error: OnError = "stop",
    report: ReadReport | None = None,
) -> Iterator[Pivot]:
    """Yield the pivots of a file of NVIDIA's rows, one line in memory.

    Args:
        path: JSON Lines, optionally gzipped.
        domain: The pivots' domain; by default `terminal`, `swe`, `browsing` or `tool_use`, see `shape_of`.
        on_error: `stop` (default) or `skip`, see `core.jsonl.read_lines`.
        report: Filled with counts and reasons.

    Raises:
        BadLine: At the first bad line, with `on_error="stop"`.
    """
    stem = Path(path).stem
    counter = iter(range(10**12))

    def parse(row: dict[str, Any]) -> Pivot:
        return from_nemo_gym_row(row, name=f"{stem}/{next(counter)}", domain=domain)

    return read_lines(path, parse, on_error=on_error, report=report)


def write_nemo_gym(path: str | Path, pivots: Iterable[Pivot]) -> int:
    """Write a file of NVIDIA's rows atomically and return how many it holds."""
    return write_records(path, (to_nemo_gym_row(pivot) for pivot in pivots))


def from_nemo_gym_row(row: dict[str, Any], *, name: str, domain: str | None = None) -> Pivot:
    """One row as a pivot.

    Args:
        row: The row. It is not changed.
        name: The trajectory's id where the row names none.
        domain: As for `read_nemo_gym`.

    Raises:
        InputError: If a field that the state or the expert's action needs is missing or broken; names it.
    """
    pivot = pivot_of(row, name=name, domain=domain)
    return pivot.model_copy(update={"metadata": {KEPT: _left_over(row, pivot)}})


def pivot_of(row: dict[str, Any], *, name: str, domain: str | None = None) -> Pivot:
    """What is scored of a row, without what writing it back needs. Arguments and errors as for `from_nemo_gym_row`."""
    try:
        request = _object(row, "responses_create_params")
        messages = messages_of(request.get("input", []))
        listed = request.get("tools") or []
        if not isinstance(listed, list):
            raise ValueError(f"tools: expected a list, got {type(listed).__name__}")
        tools = [tool_of(flat, f"tools.{place}") for place, flat in enumerate(listed)]
        reference = expected_of(row)
    except ValueError as error:
        raise InputError(f"row: {error}") from error
    instructions = request.get("instructions")
    if isinstance(instructions, str) and instructions:
        messages.insert(0, Message(role="system", content=instructions))
    turn = sum(message.role == "assistant" for message in messages)
    return Pivot(
        id=f"{_trajectory_id(row) or name}:{turn}",
        domain=domain or shape_of(row),
        messages=messages,
        reference=reference,
        tools=tools,
        metadata={KEPT: {"row": {field: row[field] for field in _SCORED if field in row}}},
    )


def _object(row: dict[str, Any], name: str) -> dict[str, Any]:
    value = row.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object, got {type(value).__name__}")
    return value


def _trajectory_id(row: dict[str, Any]) -> str | None:
    metadata = row.get("metadata")
    for value in (
        row.get("trajectory_id"),
        metadata.get("source_trajectory_uid") if isinstance(metadata, dict) else None,
        row.get("uuid"),
    ):
        if value is not None:
            return str(value)
    return None


def shape_of(row: dict[str, Any]) -> str:
    """The domain a row belongs to, by its shape or its agent's name: `terminal`, `swe`, `browsing` or `tool_use`."""
    if row.get("expected_action") is None and isinstance(row.get("expected_answer"), str):
        return "terminal"
    agent = row.get("agent_ref")
    named = str(agent.get("name", "")).split("_") if isinstance(agent, dict) else []
    if "ref_patch" in row or "swe" in named:
        return "swe"
    return "browsing" if _SEARCHES & set(named) else "tool_use"


def expected_of(row: dict[str, Any]) -> Action:
    """The expert's action: `expected_action`, else `expected_answer`, else `metadata.expected_action`.

    An `expected_answer` is a text, as the expert wrote it, unless it is the JSON of a call.

    Raises:
        ValueError: If there is none, or its arguments are no JSON object.
    """
    target = row.get("expected_action")
    if target is None:
        answer = row.get("expected_answer")
        if isinstance(answer, str) and answer:
            read = _json_object(answer)
            return _expected(read, "expected_answer") if _is_call(read) else Action(content=answer)
        metadata = row.get("metadata")
        target = metadata.get("expected_action") if isinstance(metadata, dict) else None
    if target is None:
        raise ValueError("expected_action: expected an action (or a text in expected_answer), got none")
    return _expected(target, "expected_action")


def _json_object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in ("function_call", "function_call_batch")


def _expected(target: Any, where: str) -> Action:
    kind = target.get("type") if isinstance(target, dict) else None
    if kind == "message":
        if not isinstance(target.get("content"), str):
            raise ValueError(f"{where}.content: expected a text, got {type(target.get('content')).__name__}")
        return Action(content=target["content"])
    if kind == "function_call":
        return Action(tool_calls=(_expected_call(target, where),))
    if kind == "function_call_batch":
        calls = target.get("calls")
        if not isinstance(calls, list) or not calls:
            raise ValueError(f"{where}.calls: expected a list of calls, got {str(calls)[:40]!r}")
        return Action(tool_calls=tuple(_expected_call(call, f"{where}.calls.{n}") for n, call in enumerate(calls)))
    raise ValueError(f"{where}.type: expected message, function_call or function_call_batch, got {kind!r}")


def _expected_call(item: Any, where: str) -> ToolCall:
    if not isinstance(item, dict):
        raise ValueError(f"{where}: expected a call, got {type(item).__name__}")
    call = call_of(item, where)
    if call.malformed or not item.get("arguments"):
        raise ValueError(f"{where}.arguments: expected a JSON object, got {str(item.get('arguments'))[:80]!r}")
    return call


def to_nemo_gym_row(pivot: Pivot) -> dict[str, Any]:
    """The row of a pivot; for one that was not read from a row, in the shape of the conversational rows."""
    kept = pivot.metadata.get(KEPT)
    if not isinstance(kept, dict) or "from_pivot" not in kept:
        written = {"input": items_of(pivot.messages), "tools": _tools(pivot.tools), "parallel_tool_calls": True}
        return {
            "trajectory_id": pivot.trajectory_id,
            "responses_create_params": {**written, "tool_choice": "auto"},
            "expected_action": _target(pivot.reference),
        }
    row, request = dict(kept["row"]), dict(kept["row"]["responses_create_params"])
    changed = kept["digest"] != pivot.digest
    patches = dict.fromkeys(kept["from_pivot"]) if changed else kept["from_pivot"]
    for name, value in _derived(pivot, request).items():
        if name in patches or changed:
            request[name] = _patched(value, patches.get(name))
    row["responses_create_params"] = request
    if "expected_answer" in patches and not pivot.reference.tool_calls:
        row["expected_answer"] = pivot.reference.content
    elif "expected_action" in patches or changed:
        row.pop("expected_answer", None)
        row["expected_action"] = _patched(_target(pivot.reference), patches.get("expected_action"))
    return row


def _derived(pivot: Pivot, request: dict[str, Any]) -> dict[str, Any]:
    """What of a request the pivot says."""
    messages = pivot.messages
    instructions = request.get("instructions")
    if isinstance(instructions, str) and instructions and messages and messages[0].role == "system":
        request["instructions"] = messages[0].text
        messages = messages[1:]
    return {"input": items_of(messages), "tools": _tools(pivot.tools)}


def _tools(tools: list[Tool]) -> list[dict[str, Any]]:
    return [tool_item(tool) for tool in tools]


def _target(action: Action) -> dict[str, Any]:
    if not action.tool_calls:
        return {"type": "message", "content": action.content}
    calls = [call_item(call) for call in action.tool_calls]
    return calls[0] if len(calls) == 1 else {"type": "function_call_batch", "calls": calls}


def _left_over(row: dict[str, Any], pivot: Pivot) -> dict[str, Any]:
    """What the pivot does not say of a row: `row` without what it says, and `from_pivot` with what differs in that."""
    request = dict(row["responses_create_params"])
    from_pivot: dict[str, Any] = {}
    for name, written in _derived(pivot, dict(request)).items():
        if isinstance(request.get(name), list):
            from_pivot[name] = _patch(written, request.pop(name))
    rest = {**row, "responses_create_params": request}
    if isinstance(row.get("expected_action"), dict):
        from_pivot["expected_action"] = _patch(_target(pivot.reference), rest.pop("expected_action"))
    elif rest.get("expected_answer") == pivot.reference.content:
        from_pivot["expected_answer"] = None
        del rest["expected_answer"]
    return {"row": rest, "from_pivot": from_pivot, "digest": pivot.digest}


def _patch(written: Any, original: Any) -> Any:
    """What turns what we write into the original: `None` for nothing.

    Objects and lists of the same length are gone through part by part, so that long texts are not kept twice.
    """
    if isinstance(written, dict) and isinstance(original, dict):
        parts = {key: _patch(written.get(key, _ABSENT), value) for key, value in original.items()}
        parts = {key: part for key, part in parts.items() if part is not None}
        drop = [key for key in written if key not in original]
        return {"parts": parts, "drop": drop} if parts or drop else None
    if isinstance(written, list) and isinstance(original, list) and len(written) == len(original):
        pairs = zip(written, original, strict=True)
        items = {str(place): part for place, (ours, theirs) in enumerate(pairs) if (part := _patch(ours, theirs))}
        return {"parts": items, "drop": []} if items else None
    same = type(written) is type(original) and written == original
    return None if same else {"is": original}


_ABSENT = object()


def _patched(written: Any, patch: Any) -> Any:
    """The original, from what we write and `_patch`."""
    if patch is None:
        return written
    if "is" in patch:
        return patch["is"]
    if isinstance(written, dict):
        kept = {key: value for key, value in written.items() if key not in patch["drop"]}
        return kept | {key: _patched(kept.get(key), part) for key, part in patch["parts"].items()}
    if isinstance(written, list):
        return [_patched(item, patch["parts"].get(str(place))) for place, item in enumerate(written)]
    return written
