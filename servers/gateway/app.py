"""The gateway's application, and running it.

Owns: putting its parts together. Does not own: any of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from pivotgym.servers import app as environment
from pivotgym.servers.assembly import assemble
from pivotgym.servers.dispatch import Dispatch
from pivotgym.servers.endpoint import Endpoint
from pivotgym.servers.gateway.calls import path_below
from pivotgym.servers.gateway.passing import Passing
from pivotgym.servers.gateway.service import ROUTES, Gateway
from pivotgym.servers.gateway.settings import GatewaySettings
from pivotgym.servers.gateway.web.door import Door
from pivotgym.servers.gateway.web.pages import pages, twins
from pivotgym.servers.running import run

_BELOW = tuple(dataclasses.replace(spec, path="/{domain}" + spec.path) for spec in environment.ROUTES)


def create_gateway(settings: GatewaySettings) -> FastAPI:
    """An application that passes calls on.

    Args:
        settings: The upstreams, tokens, limits.

    Raises:
        ConfigError: If the bind needs a token and there is none, or a token file cannot be read.
    """
    gateway = Gateway(settings)
    passing = Passing(gateway)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        gateway.start()
        yield
        await gateway.close()

    made = assemble(
        title="PivotGym: gateway",
        description=f"The domains {', '.join(sorted(gateway.upstreams))}, each under its name.",
        routes=(*ROUTES, *twins()),
        documented=_BELOW,
        service=gateway,
        tokens=gateway.tokens,
        lifespan=life,
        rest=Dispatch(passing, [(spec, Endpoint(spec, gateway)) for spec in pages()]),
        path_in=path_below,
    )
    passing.behind = made.app.behind
    made.app.front = Door(gateway, made.guarded, made.open)
    return made.app


def serve_gateway(settings: GatewaySettings) -> None:
    """Run a gateway until interrupted.

    Raises:
        ConfigError: As for `create_gateway`, and if the address cannot be bound.
    """
    _allow_connections()
    run(lambda: create_gateway(settings), settings)


def _allow_connections() -> None:
    """As many open files as the system lets this process have: each call takes two connections."""
    with suppress(ImportError, ValueError, OSError):  # where there is no such limit, or it is not ours to raise
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
