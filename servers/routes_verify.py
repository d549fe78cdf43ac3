"""`/verify` and `/verify/batch`: stateless scoring.

Owns: scoring over the wire, in order, each item of a batch failing alone. Does not own: verdicts (`envs.base.runtime`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from pivotgym.core.errors import InputError, PivotGymError, TimedOut, TooLarge
from pivotgym.core.jsonl import describe
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.presence import Presence, current
from pivotgym.servers.schemas import (
    BatchAnswer,
    BatchItem,
    BatchRequest,
    Rule,
    TextAction,
    VerifyRequest,
    WireAction,
    read_action,
)
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, as_error, check, encode, parse, read_json, reply

_ACTION: TypeAdapter[Action | TextAction | Malformed] = TypeAdapter(WireAction)


async def verify(service: Service, call: Call) -> Reply:
    """Score one action."""
    data = read_json(call.body)
    unknown = service.pivots.inline.exchange(data)
    request = check(VerifyRequest, data)
    pivot = service.pivots.find(request.pivot_id, request.pivot)
    if unknown is not None:
        service.pivots.inline.keep(unknown, pivot)
    action = read_action(request.action)
    return reply(await service.verify(pivot, action, request.rule, service.timeout(request.timeout_s)))


@dataclass(slots=True)
class _Slot:
    """One action of a batch and, once known, its verdict or error; `first` is the slot with the same question."""

    pivot: Pivot | None
    sent: Any
    answer: Verdict | PivotGymError | None = None
    action: Action | Malformed | None = None
    first: _Slot | None = None


async def verify_batch(service: Service, call: Call) -> Reply:
    """Score many actions."""
    request = parse(BatchRequest, call.body)
    timeout_s = service.timeout(request.timeout_s)
    groups = [_slots(service, item) for item in request.items]
    slots = [slot for group in groups for slot in (group if isinstance(group, list) else [group])]
    most = service.settings.max_batch
    if len(slots) > most:
        raise TooLarge(f"items: expected at most {most} actions in one batch, got {len(slots)}", hint="split it")
    await _score_all(service, _distinct(slots), request.rule, timeout_s)
    late = TimedOut(f"not scored within the batch's {timeout_s:g} s", hint="raise timeout_s, or send fewer items")
    for slot in slots:
        known = slot.answer or (slot.first and slot.first.answer)
        answer = slot.answer = known or (service.late(late, slot.pivot) if slot.pivot else late)
        if isinstance(answer, Verdict):
            service.counted(answer)
        else:
            service.metrics.error(answer.code)
    return Reply(b'{"results":[' + b",".join(map(_encode, groups)) + b"]}")


def _slots(service: Service, item: Any) -> _Slot | list[_Slot]:
    try:
        unknown = service.pivots.inline.exchange(item)
        checked = BatchItem.model_validate(item)
        given = checked.model_fields_set & {"action", "actions"}
        if len(given) != 1 or (checked.actions is None and "actions" in given):
            came = "both" if len(given) == 2 else "neither" if not given else "null"
            raise InputError(f"action, actions: expected exactly one of them, got {came}")
        pivot = service.pivots.find(checked.pivot_id, checked.pivot)
        if unknown is not None:
            service.pivots.inline.keep(unknown, pivot)
    except Exception as error:  # the item fails alone; `_item_error` logs what nobody expected
        failed = _item_error(error)
        actions = item.get("actions") if isinstance(item, dict) else None
        return [_Slot(None, None, failed) for _ in actions] if isinstance(actions, list) else _Slot(None, None, failed)
    if checked.actions is None:
        return _Slot(pivot, checked.action)
    return [_Slot(pivot, action) for action in checked.actions]


def _item_error(error: Exception) -> PivotGymError:
    return InputError(f"item: {describe(error)}") if isinstance(error, ValidationError) else as_error(error)


def _distinct(slots: list[_Slot]) -> list[_Slot]:
    """The first slot of each action at each pivot: what one policy samples is often the same."""
    firsts: dict[tuple[int, bytes], _Slot] = {}
    for slot in slots:
        if slot.answer is None:
            slot.first = firsts.setdefault((id(slot.pivot), to_json(slot.sent)), slot)
    return list(firsts.values())


async def _score_all(service: Service, slots: list[_Slot], rule: Rule | None, timeout_s: float) -> None:
    """Screen all on one thread, then execute what is left on as many as there are workers.

    Screening takes microseconds and holds the interpreter's lock, so that more threads would only slow it down; a hop
    to a thread for each action would cost more than the verdict. The same goes for worlds that are as quick.
    """
    ends = time.monotonic() + timeout_s
    with suppress(TimedOut):
        await service.pool.run(lambda: _screen(service, slots, rule, ends), timeout_s, pure=True)
    left = [slot for slot in slots if slot.answer is None]
    size = -(-len(left) // (1 if service.pool.inline else service.pool.workers)) or 1
    client = current()

    async def execute(run: list[_Slot]) -> None:
        with suppress(TimedOut):
            left_s = max(0.0, ends - time.monotonic())
            await service.pool.run(lambda: _execute(service, run, rule, ends, client), left_s, pure=True)

    await asyncio.gather(*(execute(left[start : start + size]) for start in range(0, len(left), size)))


def _screen(service: Service, slots: list[_Slot], rule: Rule | None, ends: float) -> None:
    for slot in slots:
        if time.monotonic() > ends:
            return
        if slot.pivot is None:
            continue
        try:
            slot.action = read_action(_ACTION.validate_python(slot.sent))
            slot.answer = service.runtime.screen(slot.pivot, slot.action, rule=rule)
        except Exception as error:  # the action fails alone; `_item_error` logs what nobody expected
            slot.answer = _item_error(error)


def _execute(service: Service, slots: list[_Slot], rule: Rule | None, ends: float, client: Presence | None) -> None:
    for slot in slots:
        if time.monotonic() > ends or (client is not None and client.gone):
            return
        if slot.pivot is None or not isinstance(slot.action, Action):
            continue
        try:
            slot.answer = service.runtime.decide(slot.pivot, slot.action, rule=rule)
        except Exception as error:  # the action fails alone; `_item_error` logs what nobody expected
            slot.answer = _item_error(error)


def _encode(group: _Slot | list[_Slot]) -> bytes:
    if isinstance(group, list):
        return b"[" + b",".join(map(_encode, group)) + b"]"
    answer = group.answer
    return encode(answer) if isinstance(answer, Verdict) else encode({"error": answer.to_wire()})  # type: ignore[union-attr]


ROUTES = (
    RouteSpec("POST", "/verify", verify, "Score one action", request=VerifyRequest, response=Verdict),
    RouteSpec("POST", "/verify/batch", verify_batch, "Score many", request=BatchRequest, response=BatchAnswer),
)
