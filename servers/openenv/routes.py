"""`/openenv/*` over HTTP: what OpenEnv's validation of a running server asks for.

There is no `/openenv/reset`, `/step` or `/state`: OpenEnv's keep nothing between calls. Its profile of a server without
them is `production`; episodes are played over the socket, or over our own `/sessions`.

Owns: these descriptions. Does not own: the socket (`socket`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, TypeAdapter

import pivotgym
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.openapi import document
from pivotgym.servers.openenv.connection import NO_TOOLS
from pivotgym.servers.openenv.shapes import About, Healthy, Schemas, Seen
from pivotgym.servers.schemas import SessionInfo, WireAction
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, parse, reply

PREFIX = "/openenv"


class RpcRequest(BaseModel):
    """A request of JSON-RPC 2.0."""

    model_config = ConfigDict(extra="allow")

    id: StrictStr | StrictInt | None = None


class RpcError(BaseModel):
    """A refusal of JSON-RPC 2.0."""

    jsonrpc: str = "2.0"
    id: str | int | None = None
    error: dict[str, Any]


class Document(BaseModel):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


async def health(service: Service, call: Call) -> Reply:
    """The process answers."""
    return reply(Healthy())


async def metadata(service: Service, call: Call) -> Reply:
    """The domain's name, description and version."""
    domain = service.domain
    return reply(About(name=domain.name, description=domain.description, version=domain.version))


async def schema(service: Service, call: Call) -> Reply:
    """JSON schemas of what is sent and answered over the socket."""
    return reply(
        Schemas(
            action=TypeAdapter(WireAction).json_schema(),
            observation=Seen.model_json_schema(),
            state=SessionInfo.model_json_schema(),
        )
    )


async def mcp(service: Service, call: Call) -> Reply:
    """No MCP tools are offered here: every request is refused, as JSON-RPC refuses an unknown method."""
    return reply(RpcError(id=parse(RpcRequest, call.body).id, error=NO_TOOLS))


async def openapi(service: Service, call: Call) -> Reply:
    """The document of these routes alone."""
    domain = service.domain
    below = [dataclasses.replace(spec, path=spec.path.removeprefix(PREFIX)) for spec in ROUTES]
    secured = service.tokens.bearer is not None
    return reply(document(f"OpenEnv: {domain.name}", pivotgym.__version__, domain.description, below, secured=secured))


ROUTES = (
    RouteSpec("GET", PREFIX + "/health", health, "OpenEnv's health", response=Healthy),
    RouteSpec("GET", PREFIX + "/metadata", metadata, "OpenEnv's metadata", response=About),
    RouteSpec("GET", PREFIX + "/schema", schema, "OpenEnv's schemas", response=Schemas),
    RouteSpec("POST", PREFIX + "/mcp", mcp, "OpenEnv's MCP", request=RpcRequest, response=RpcError),
    RouteSpec("GET", PREFIX + "/openapi.json", openapi, "OpenEnv's document", response=Document),
)
