"""The app factory: one FastAPI application that serves any domain.

Owns: the table of routes, and the life of an environment server. Does not own: any route, nor how an application is put
together (`assembly`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.routing import WebSocketRoute

from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Domain
from pivotgym.envs.base.runtime import Runtime
from pivotgym.servers import routes_meta, routes_pivots, routes_sessions, routes_verify
from pivotgym.servers.adapters import gym, nemo_gym, openrlhf
from pivotgym.servers.assembly import assemble
from pivotgym.servers.openenv import routes as openenv
from pivotgym.servers.openenv.socket import PATH as OPENENV_SOCKET
from pivotgym.servers.openenv.socket import OpenEnvSocket
from pivotgym.servers.peers import Doors, Place
from pivotgym.servers.service import ALONE, Service
from pivotgym.servers.settings import Settings

ROUTES = (
    *routes_verify.ROUTES,
    *routes_sessions.ROUTES,
    *routes_pivots.ROUTES,
    *routes_meta.ROUTES,
    *gym.ROUTES,
    *openrlhf.ROUTES,
    *nemo_gym.ROUTES,
    *openenv.ROUTES,
)


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

    made = assemble(
        title=f"PivotGym: {service.domain.name}",
        description=service.domain.description,
        routes=ROUTES,
        service=service,
        tokens=service.tokens,
        lifespan=life,
    )
    made.app.router.routes.append(WebSocketRoute(OPENENV_SOCKET, OpenEnvSocket(service)))
    made.app.front = Doors(made.guarded, made.open, place)
    return made.app
