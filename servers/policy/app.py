"""The policy server's application, and running it.

Owns: putting its parts together. Does not own: any of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from pivotgym.core.policy_server import ServedEngine
from pivotgym.servers.assembly import assemble
from pivotgym.servers.policy.routes import ROUTES
from pivotgym.servers.policy.schemas import PolicyErrorBody
from pivotgym.servers.policy.service import PolicyService
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.running import run


def create_policy_server(engine: ServedEngine, settings: PolicySettings) -> FastAPI:
    """An application that samples.

    Args:
        engine: Samples; used from a thread of the application's.
        settings: Limits, tokens, the model's name.

    Raises:
        ConfigError: If the bind needs a token and there is none, or a token file cannot be read.
    """
    service = PolicyService(engine, settings)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        service.batcher.stop()

    return assemble(
        title="PivotGym: policy",
        description=f"The policy {settings.model!r}, in the shapes of OpenAI's API.",
        routes=ROUTES,
        service=service,
        tokens=service.tokens,
        lifespan=life,
        error=PolicyErrorBody,
    ).app


def serve_policy(engine: ServedEngine, settings: PolicySettings) -> None:
    """Run a policy server until interrupted.

    Raises:
        ConfigError: As for `create_policy_server`, and if the address cannot be bound.
    """
    run(lambda: create_policy_server(engine, settings), settings)
