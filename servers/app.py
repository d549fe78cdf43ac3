"""The app factory: one FastAPI application that serves any domain.

Owns: putting routes, errors, authentication and the life of a server together. Does not own: any route.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import pivotgym
from pivotgym.core.errors import InputError, NotFound, PivotGymError
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Domain
from pivotgym.envs.base.runtime import Runtime
from pivotgym.servers import routes_meta, routes_pivots, routes_sessions, routes_verify
from pivotgym.servers.adapters import gym, nemo_gym, openrlhf
from pivotgym.servers.auth import Guard
from pivotgym.servers.dispatch import Application, Dispatch
from pivotgym.servers.endpoint import Endpoint
from pivotgym.servers.openapi import document
from pivotgym.servers.peers import Doors, Place
from pivotgym.servers.presence import Watch
from pivotgym.servers.service import ALONE, Service
from pivotgym.servers.settings import Settings
from pivotgym.servers.wire import error_reply

ROUTES = (
    *routes_verify.ROUTES,
    *routes_sessions.ROUTES,
    *routes_pivots.ROUTES,
    *routes_meta.ROUTES,
    *gym.ROUTES,
    *openrlhf.ROUTES,
    *nemo_gym.ROUTES,
)


class _MethodNotAllowed(InputError):
    code = "method_not_allowed"
    status = 405


def create_app(
    domain: Domain | Runtime, *, pivots: Iterable[Pivot] = (), settings: Settings | None = None, place: Place = ALONE
) -> FastAPI:
    """An application that serves a domain.

    Args:
        domain: A domain, or a runtime that already serves one.
        pivots: Pivots known from the start, beside those the domain ships.
        settings: Limits, tokens and time-outs.
        place: Which of several worker processes this is.

    Raises:
        ConfigError: If the bind needs a token and there is none, a token file cannot be read, or a source is not there.
        InputError: If a pivot does not fit the domain.
    """
    settings = settings or Settings()
    sources.configure(settings.sources)
    service = Service(domain, pivots, settings, place)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        reaper = asyncio.create_task(service.sessions.reap_forever())
        yield
        reaper.cancel()
        with suppress(asyncio.CancelledError):
            await reaper
        await service.close()

    title = f"PivotGym: {service.domain.name}"
    app = Application(title=title, version=pivotgym.__version__, lifespan=life, redirect_slashes=False, redoc_url=None)
    app.state.service = service
    app.openapi = functools.cache(  # type: ignore[method-assign]
        lambda: document(
            title, pivotgym.__version__, service.domain.description, ROUTES, secured=service.tokens.bearer is not None
        )
    )
    endpoints = [(spec, Endpoint(spec, service)) for spec in ROUTES]
    for spec, endpoint in endpoints:
        app.router.routes.append(Route(spec.path, endpoint, methods=[spec.method]))
    app.add_exception_handler(HTTPException, _http_error)
    back = Watch(Dispatch(app.behind, endpoints))
    app.front = Doors(Guard(back, service.tokens, service.metrics), back, place)
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses: an unknown route or a method it does not have."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    known: PivotGymError
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        known = _MethodNotAllowed(f"{request.method} {path}: expected {allowed}")
    else:
        known = NotFound(f"{request.method} {path}: no such route", hint="/docs lists the routes")
    answer = error_reply(known)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, {**headers, **(error.headers or {})})
