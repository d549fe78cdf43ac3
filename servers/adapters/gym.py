"""`POST /reset` and `POST /step`: Gymnasium's names for sessions.

Owns: these two names. Does not own: what they do (`routes_sessions`).
"""

from __future__ import annotations

from pivotgym.core.errors import TimedOut
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.idempotency import fingerprint
from pivotgym.servers.routes_sessions import create_session, opening, started, step_session
from pivotgym.servers.schemas import SessionAnswer, SessionRequest, StepAnswer, StepRequest
from pivotgym.servers.service import Service, warming
from pivotgym.servers.wire import Reply, parse


class ResetRequest(SessionRequest):
    """As for `POST /sessions`; with a `session_id`, that session is reset in place."""

    session_id: str | None = None


class GymStepRequest(StepRequest):
    """As for `POST /sessions/{id}/step`, the session named in the body."""

    session_id: str


async def reset(service: Service, call: Call) -> Reply:
    """Reset a session, or make one."""
    request = parse(ResetRequest, call.body)
    if request.session_id is None:
        return await create_session(service, request, "/reset", call.body)
    if service.peers.holder(request.session_id) is not None:
        return await service.peers.in_session(request.session_id, "POST", "/reset", call.body)
    session = service.sessions.get(request.session_id)

    async def again() -> Reply:
        build, what = await opening(service, request)
        await service.sessions.replace(session, build, **what)
        return started(session)

    key, timeout_s = request.idempotency_key, service.timeout(request.timeout_s)
    try:
        return await service.sessions.creations.run(
            key, f"reset:{session.id}:{fingerprint(key, request)}", again, timeout_s
        )
    except TimedOut as error:
        raise warming(error) from None


async def step(service: Service, call: Call) -> Reply:
    """Take an action in the session that the body names."""
    request = parse(GymStepRequest, call.body)
    if service.peers.holder(request.session_id) is not None:
        return await service.peers.in_session(request.session_id, "POST", "/step", call.body)
    return await step_session(service, request.session_id, request)


ROUTES = (
    RouteSpec("POST", "/reset", reset, "Gym's reset", request=ResetRequest, response=SessionAnswer),
    RouteSpec("POST", "/step", step, "Gym's step", request=GymStepRequest, response=StepAnswer),
)
