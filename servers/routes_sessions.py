"""`/sessions`: make, step, fork, look at and close live environments.

Owns: sessions over the wire. Does not own: their life (`sessions`) or what an episode does (`envs.base.episode`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from pivotgym.core.errors import Full, InputError, PivotGymError, TimedOut, from_wire
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.contract import Task
from pivotgym.envs.base.episode import Episode
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.idempotency import fingerprint
from pivotgym.servers.peers import Away, inside
from pivotgym.servers.presence import finished, regardless
from pivotgym.servers.schemas import (
    Closed,
    ErrorBody,
    ForkRequest,
    SessionAnswer,
    SessionInfo,
    SessionRequest,
    StepAnswer,
    StepRequest,
    read_action,
)
from pivotgym.servers.service import Service, warming
from pivotgym.servers.sessions import Session
from pivotgym.servers.wire import Reply, encode, parse, read_json, reply

QUEUE_S = 0.05
"""Waited beyond a step's time-out, so that a step which never got its turn says so itself."""


async def create(service: Service, call: Call) -> Reply:
    """Reset a new session to a state."""
    return await create_session(service, parse(SessionRequest, call.body), "/sessions", call.body)


async def create_session(service: Service, request: SessionRequest, path: str, body: bytes) -> Reply:
    """Answer `POST /sessions`, and `POST /reset` without a session."""
    key = request.idempotency_key
    keeper = service.peers.keeper(key)
    if keeper is not None:
        try:
            return await service.peers.send(keeper, "POST", path, body)
        except Away as away:
            raise away.warming() from None

    async def make() -> Reply:
        build, what = await opening(service, request)
        try:
            return started(await service.sessions.create(build, **what))
        except Full:
            if inside() and key is None:
                raise
            found = await _made_elsewhere(service, path, body)
            if found is None:
                raise
            return found

    try:
        return await service.sessions.creations.run(
            key,
            "create:" + fingerprint(key, request),
            make,
            service.timeout(request.timeout_s),
            unread=partial(_close_unread, service),
        )
    except TimedOut as error:
        raise warming(error) from None


async def _made_elsewhere(service: Service, path: str, body: bytes) -> Reply | None:
    """The answer of the first other worker that has room; the key stays here, where a repeat comes."""
    fields = read_json(body)
    fields.pop("idempotency_key", None)
    for index in service.peers.others:
        with suppress(Away):
            answer = await service.peers.send(index, "POST", path, encode(fields))
            if answer.status == 200:
                return answer
            after = dict(answer.headers).get(b"retry-after")
            error = from_wire(read_json(answer.body), retry_after_s=float(after) if after else None)
            if not isinstance(error, Full):
                raise error
    return None


async def opening(service: Service, request: SessionRequest) -> tuple[Callable[[], Episode], dict[str, Any]]:
    """What builds the episode that a request asks for, and what the session is called by.

    Raises:
        InputError: If not exactly one state is named.
        NotFound: If it does not exist.
    """
    target = await _target(service, request)
    horizon = request.options.horizon or ("episode" if isinstance(target, Task) else "pivot")
    what = {
        "horizon": horizon,
        "seed": request.seed,
        "pivot_id": target.id if isinstance(target, Pivot) else None,
        "task_id": target.id if isinstance(target, Task) else None,
    }
    return lambda: service.runtime.open(target, horizon=horizon, seed=request.seed), what


async def _target(service: Service, request: SessionRequest) -> Pivot | Task:
    names = ("pivot_id", "pivot", "trajectory_id", "task_id")
    given = [name for name in names if getattr(request, name) is not None]
    if len(given) != 1:
        raise InputError(f"{', '.join(names)}: expected exactly one of them, got {' and '.join(given) or 'none'}")
    if (request.turn is not None) != (given == ["trajectory_id"]):
        raise InputError("turn: expected together with trajectory_id and only then")
    if request.task_id is not None:
        task_id = request.task_id
        return await service.pool.call(lambda: service.runtime.task(task_id))
    if request.trajectory_id is not None:
        return service.pivots.find(f"{request.trajectory_id}:{request.turn}", None)
    return service.pivots.find(request.pivot_id, request.pivot)


def started(session: Session) -> Reply:
    """The answer to a reset or a fork."""
    episode = session.episode
    return reply({"session_id": session.id, "observation": episode.observation, "info": episode.info})


async def _close_unread(service: Service, answer: Reply) -> None:
    session_id = SessionAnswer.model_validate_json(answer.body).session_id
    if service.peers.holder(session_id) is None:
        service.sessions.close(session_id, "its creator did not wait for it")
    else:
        await service.peers.in_session(session_id, "DELETE", "/sessions/{}")


async def step(service: Service, call: Call) -> Reply:
    """Take an action in a session."""
    session_id = call.path["session_id"]
    if service.peers.holder(session_id) is not None:
        return await service.peers.in_session(session_id, "POST", "/sessions/{}/step", call.body)
    return await step_session(service, session_id, parse(StepRequest, call.body))


async def step_session(service: Service, session_id: str, request: StepRequest) -> Reply:
    """Answer `POST /sessions/{id}/step`, and `POST /step`."""
    session = service.sessions.get(session_id)
    timeout_s = service.timeout(request.timeout_s)
    action = read_action(request.action)

    async def take() -> Reply:
        result = await service.sessions.step(session, action, timeout_s)
        return reply(
            {
                "observation": result.observation,
                "reward": result.reward,
                "terminated": result.terminated,
                "truncated": result.truncated,
                "info": result.info,
            }
        )

    try:
        return await session.once.run(
            request.idempotency_key, "step:" + fingerprint(request.idempotency_key, request), take, timeout_s + QUEUE_S
        )
    except PivotGymError as error:
        error.session_id = session_id
        raise


async def fork(service: Service, call: Call) -> Reply:
    """Copy a session."""
    session_id = call.path["session_id"]
    if service.peers.holder(session_id) is not None:
        return await service.peers.in_session(session_id, "POST", "/sessions/{}/fork", call.body)
    request = parse(ForkRequest, call.body)
    session = service.sessions.get(session_id)
    timeout_s = service.timeout(request.timeout_s)

    async def copy() -> Reply:
        return started(await service.sessions.fork(session, timeout_s))

    return await service.sessions.creations.run(
        request.idempotency_key,
        f"fork:{session.id}:{fingerprint(request.idempotency_key, request)}",
        copy,
        timeout_s,
        unread=partial(_close_unread, service),
    )


async def describe(service: Service, call: Call) -> Reply:
    """What a session is."""
    session_id = call.path["session_id"]
    if service.peers.holder(session_id) is not None:
        return await service.peers.in_session(session_id, "GET", "/sessions/{}")
    session = service.sessions.get(session_id)
    busy = session.lock.locked()
    with regardless():  # a digest that takes too long goes on, and keeps the session busy, without this call
        reading = asyncio.ensure_future(service.sessions.digest(session))
    reading.add_done_callback(lambda late: late.cancelled() or late.exception())
    known = await finished(reading, service.settings.timeout_s)
    return reply(
        SessionInfo(
            session_id=session.id,
            pivot_id=session.pivot_id,
            task_id=session.task_id,
            horizon=session.horizon,
            seed=session.seed,
            steps=session.steps,
            state="failed" if session.failed else "ended" if session.ended else "live",
            busy=busy,
            digest=reading.result() if known else None,
            error=ErrorBody(**session.failed.to_wire()) if session.failed else None,
        )
    )


async def close(service: Service, call: Call) -> Reply:
    """End a session; ending it again does nothing."""
    session_id = call.path["session_id"]
    if service.peers.holder(session_id) is not None:
        return await service.peers.in_session(session_id, "DELETE", "/sessions/{}")
    service.sessions.close(session_id)
    return reply(Closed(session_id=session_id))


ROUTES = (
    RouteSpec("POST", "/sessions", create, "Reset to a state", request=SessionRequest, response=SessionAnswer),
    RouteSpec("POST", "/sessions/{session_id}/step", step, "Act", request=StepRequest, response=StepAnswer),
    RouteSpec("POST", "/sessions/{session_id}/fork", fork, "Copy", request=ForkRequest, response=SessionAnswer),
    RouteSpec("GET", "/sessions/{session_id}", describe, "What it is", response=SessionInfo),
    RouteSpec("DELETE", "/sessions/{session_id}", close, "End it", response=Closed),
)
