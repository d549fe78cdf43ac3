"""The server's routes as requests: one function each, shared by the sync and the async client.

Owns: paths, bodies and reading answers. Does not own: sending them (`sync`, `aio`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from pivotgym.core.errors import PivotGymError, from_wire
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.client._core import Request, fresh_key, in_path, request
from pivotgym.servers.client.records import ActionLike, Prepared, StepResult, VerifyItem, action_json, pivot_json

BATCH = 512
"""Actions sent in one call of `verify_batch`."""
Scored = Verdict | PivotGymError


def get(path: str) -> Request[dict[str, Any]]:
    """A plain GET of an object."""
    return request("GET", path, dict)


def page(path: str, cursor: str | None) -> Request[dict[str, Any]]:
    """A page of a list."""
    return get(f"{path}?{urlencode({'limit': 1000, **({'cursor': cursor} if cursor else {})})}")


def pivot(pivot_id: str) -> Request[Pivot]:
    """A whole pivot."""
    return request("GET", f"/pivots/{in_path(pivot_id)}", Pivot.model_validate)


def add_pivots(pivots: Sequence[Pivot]) -> Request[int]:
    """Add pivots; how many were new."""
    return request("POST", "/pivots", lambda answer: int(answer["added"]), {"pivots": [p.to_json() for p in pivots]})


def prepare(pivot_ids: Sequence[str], timeout_s: float | None) -> Request[Prepared]:
    """Build states and prove the expert's action in each."""

    def read(answer: Any) -> Prepared:
        refused = {pivot_id: from_wire(body) for pivot_id, body in answer["errors"].items()}
        return Prepared(refused, frozenset(answer["executable"]))

    return request(
        "POST",
        "/pivots/prepare",
        read,
        {"pivot_ids": list(pivot_ids)},
        timeout_s=timeout_s,
    )


def merge(parts: Iterable[Prepared]) -> Prepared:
    """The answers of several calls of `prepare` as one."""
    refused: dict[str, PivotGymError] = {}
    executable: set[str] = set()
    for part in parts:
        refused |= part.refused
        executable |= part.executable
    return Prepared(refused, frozenset(executable))


def verify(where: Pivot | str, action: ActionLike, rule: str | None, timeout_s: float | None) -> Request[Verdict]:
    """Score one action."""
    body = {**pivot_json(where), "action": action_json(action), "rule": rule}
    return request("POST", "/verify", Verdict.model_validate, body, timeout_s=timeout_s)


def verify_batch(items: Sequence[VerifyItem], rule: str | None, timeout_s: float | None) -> Request[list[list[Scored]]]:
    """Score many actions; one list per item."""
    sent = [{**pivot_json(item.pivot), "actions": [action_json(action) for action in item.actions]} for item in items]

    def read(answer: Any) -> list[list[Scored]]:
        return [[_scored(result) for result in results] for results in answer["results"]]

    return request("POST", "/verify/batch", read, {"items": sent, "rule": rule}, timeout_s=timeout_s)


def _scored(result: dict[str, Any]) -> Scored:
    return from_wire(result["error"]) if "error" in result else Verdict.model_validate(result)


def split(items: Sequence[VerifyItem], most: int = BATCH) -> Iterator[tuple[list[VerifyItem], list[int]]]:
    """Batches of at most `most` actions, each with the places of its items; a large item is cut into several."""
    batch: list[VerifyItem] = []
    places: list[int] = []
    room = most
    for place, item in enumerate(items):
        rest = list(item.actions)
        while rest:
            part, rest = rest[:room], rest[room:]
            batch.append(VerifyItem(item.pivot, part))
            places.append(place)
            room -= len(part)
            if room == 0:
                yield batch, places
                batch, places, room = [], [], most
    if batch:
        yield batch, places


def open_session(
    fields: dict[str, Any], where: Pivot | None, horizon: str | None, timeout_s: float | None
) -> Request[dict[str, Any]]:
    """Make a session. The request carries its idempotency key, so that sending it again is safe."""
    body = {
        **fields,
        "pivot": where.to_json() if where is not None else None,
        "options": {"horizon": horizon} if horizon is not None else None,
        "idempotency_key": fresh_key(),
    }
    return request("POST", "/sessions", dict, body, timeout_s=timeout_s)


def step(session_id: str, action: ActionLike, timeout_s: float | None) -> Request[StepResult]:
    """Act in a session."""
    return request(
        "POST",
        f"/sessions/{in_path(session_id)}/step",
        lambda answer: StepResult(**answer),
        {"action": action_json(action), "idempotency_key": fresh_key()},
        timeout_s=timeout_s,
        pure=False,
    )


def fork(session_id: str, timeout_s: float | None) -> Request[dict[str, Any]]:
    """Copy a session."""
    path = f"/sessions/{in_path(session_id)}/fork"
    return request("POST", path, dict, {"idempotency_key": fresh_key()}, timeout_s=timeout_s, pure=False)


def describe(session_id: str) -> Request[dict[str, Any]]:
    """What a session is."""
    return get(f"/sessions/{in_path(session_id)}")


def close(session_id: str) -> Request[dict[str, Any]]:
    """End a session."""
    return request("DELETE", f"/sessions/{in_path(session_id)}", dict)
