"""`/pivots`, `/pivots/{id}`, `/pivots/prepare`, `/tasks`.

Owns: listing, adding and preparing what can be reset to. Does not own: where it is kept (`pivots`).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pivotgym.core.errors import PivotGymError, TimedOut, TooLarge
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.peers import inside
from pivotgym.servers.pivots import Page
from pivotgym.servers.schemas import AddedPivots, AddPivots, PivotPage, PrepareAnswer, PrepareRequest, TaskPage
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, as_error, parse, read_json, reply

_PAGING = ("cursor", "limit")


async def list_pivots(service: Service, call: Call) -> Reply:
    """A page of pivots."""
    page = service.pivots.page(**call.query(*_PAGING))
    return reply({"pivots": page.items, "next": page.next, "total": page.total})


async def get_pivot(service: Service, call: Call) -> Reply:
    """A whole pivot."""
    return reply(service.pivots.get(call.path["pivot_id"]).to_json())


async def add_pivots(service: Service, call: Call) -> Reply:
    """Add pivots, all or none."""
    pivots = parse(AddPivots, call.body).pivots
    added = await service.pool.run(lambda: service.pivots.add(pivots))
    return reply(AddedPivots(added=added, total=len(service.pivots)))


async def prepare(service: Service, call: Call) -> Reply:
    """Build states ahead and prove the expert's action there; a pivot where that fails has an error of its own."""
    request = parse(PrepareRequest, call.body)
    if len(request.pivot_ids) > service.settings.max_batch:
        raise TooLarge(f"pivot_ids: expected at most {service.settings.max_batch}, got {len(request.pivot_ids)}")
    ids = list(dict.fromkeys(request.pivot_ids))
    errors, elsewhere = await asyncio.gather(
        _prepare_all(service, ids, service.timeout(request.timeout_s)), _prepare_elsewhere(service, call.body)
    )
    errors = {**elsewhere, **errors}
    executable = [name for name in ids if name not in errors and _executable(service, name)]
    return reply({"prepared": len(ids) - len(errors), "executable": executable, "errors": errors})


async def _prepare_all(service: Service, ids: list[str], timeout_s: float) -> dict[str, Any]:
    ends = time.monotonic() + timeout_s
    results = await asyncio.gather(*(_prepare_one(service, pivot_id, ends) for pivot_id in ids))
    return {pivot_id: error.to_wire() for pivot_id, error in zip(ids, results, strict=True) if error is not None}


async def _prepare_elsewhere(service: Service, body: bytes) -> dict[str, Any]:
    """The errors of the other workers, each of which keeps states of its own; one that is away builds when asked."""
    if inside() or not service.peers.others:
        return {}
    answers = await service.peers.each("POST", "/pivots/prepare", body)
    known = [read_json(answer.body) for answer in answers if isinstance(answer, Reply) and answer.status == 200]
    return {pivot_id: error for answer in known for pivot_id, error in answer["errors"].items()}


def _executable(service: Service, pivot_id: str) -> bool:
    return service.runtime.domain.executable(service.pivots.get(pivot_id).origin)


async def _prepare_one(service: Service, pivot_id: str, ends: float) -> PivotGymError | None:
    try:
        pivot = service.pivots.get(pivot_id)
        left = max(0.001, ends - time.monotonic())
        try:
            await service.pool.run(lambda: service.runtime.check(pivot), left, f"building {pivot_id!r}")
        except TimedOut as error:
            raise service.late(error, pivot) from None
    except Exception as error:  # each pivot fails alone; `as_error` logs what nobody expected
        known = as_error(error)
        service.metrics.error(known.code)
        return known
    return None


async def list_tasks(service: Service, call: Call) -> Reply:
    """A page of whole tasks."""
    query = call.query(*_PAGING)
    known = await service.pool.run(service.runtime.tasks, service.settings.timeout_s, "listing the tasks")
    page = Page(known, **query)
    tasks: list[dict[str, Any]] = [
        {
            "id": task.id,
            "messages": [message.to_json() for message in task.messages],
            "tools": task.tools,
            "max_steps": task.max_steps,
            "metadata": task.metadata,
        }
        for task in page.items
    ]
    return reply({"tasks": tasks, "next": page.next, "total": page.total})


ROUTES = (
    RouteSpec("GET", "/pivots", list_pivots, "What can be reset to", response=PivotPage, query=_PAGING),
    RouteSpec("POST", "/pivots", add_pivots, "Add pivots", request=AddPivots, response=AddedPivots),
    RouteSpec("POST", "/pivots/prepare", prepare, "Build states", request=PrepareRequest, response=PrepareAnswer),
    RouteSpec("GET", "/pivots/{pivot_id:path}", get_pivot, "A whole pivot", response=Pivot),
    RouteSpec("GET", "/tasks", list_tasks, "Whole tasks", response=TaskPage, query=_PAGING),
)
