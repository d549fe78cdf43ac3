"""What all routes of one gateway share, and what it says of itself.

Owns: the upstreams and their looks, `/health`, `/ready`, `/metadata`, `/metrics`. Does not own: passing calls on
(`passing`).
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

import pivotgym
from pivotgym.core.errors import Warming
from pivotgym.core.trajectory import SCHEMA_VERSION
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.gateway import health
from pivotgym.servers.gateway.connections import Broken
from pivotgym.servers.gateway.metrics import GatewayMetrics
from pivotgym.servers.gateway.placed import PlacedSessions
from pivotgym.servers.gateway.settings import UPSTREAM_TOKEN_FILE, GatewaySettings
from pivotgym.servers.gateway.upstream import RETRY_AFTER_S, Replica, Upstream
from pivotgym.servers.gateway.web.lines import Shelf
from pivotgym.servers.gateway.web.runs import RUNS, Runs
from pivotgym.servers.metrics import summed_by
from pivotgym.servers.presence import regardless
from pivotgym.servers.schemas import Health, Ready
from pivotgym.servers.settings import Tokens, read_token, read_tokens
from pivotgym.servers.wire import Reply, reply

LOOK_AGAIN_S = 1.0
"""Looks that a call asks for are at least so far apart, seconds."""


class Gateway:
    """The parts of one gateway. Used from the event loop only.

    Args:
        settings: Its settings.

    Attributes:
        upstreams: By domain.
        placed: The sessions it placed, for the page.
        runs: The runs that the page shows.
        shelf: Indexes of their files.

    Raises:
        ConfigError: If a token file cannot be read, or the bind needs a token and there is none.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.tokens: Tokens = read_tokens(settings)
        token = read_token(settings.upstream_token_file, UPSTREAM_TOKEN_FILE) or self.tokens.bearer
        self.upstreams = {name: Upstream(name, settings, token) for name in settings.upstreams}
        self.metrics = GatewayMetrics(self.upstreams)
        self.placed = PlacedSessions()
        self.runs = Runs(settings.runs or _path(os.environ.get(RUNS)))
        self.shelf = Shelf()
        self._looks: list[asyncio.Task[None]] = []
        self._looked: dict[str, float] = {}

    def start(self) -> None:
        """Begin to look at the upstreams."""
        self._looks = [asyncio.create_task(health.look_forever(upstream)) for upstream in self.upstreams.values()]

    async def close(self) -> None:
        """Stop looking, and close all connections."""
        for look in self._looks:
            look.cancel()
        for look in self._looks:
            with suppress(asyncio.CancelledError):
                await look
        for upstream in self.upstreams.values():
            upstream.close()

    async def look_again(self, upstream: Upstream) -> None:
        """Look at an upstream now, if that was not done just before."""
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(upstream.name, float("-inf")) >= LOOK_AGAIN_S:
            self._looked[upstream.name] = now
            with regardless():
                await health.look(upstream)

    async def domain_ready(self, upstream: Upstream) -> Reply:
        """`/{domain}/ready`: one of its servers can serve.

        Raises:
            Warming: If none can.
        """
        if not _ready_ones(upstream):
            await self.look_again(upstream)
        if not _ready_ones(upstream):
            raise upstream.nobody()
        return reply(Ready())

    async def pages(self, upstream: Upstream) -> list[bytes]:
        """The metrics of an upstream's servers; those that do not answer are left out."""

        async def one(replica: Replica) -> bytes | None:
            with suppress(Broken):
                status, page = await health.ask_bytes(upstream, replica, "GET", "/metrics")
                return page if status == 200 else None
            return None

        found = await asyncio.gather(*(one(replica) for replica in upstream.usable))
        return [page for page in found if page is not None]


def _ready_ones(upstream: Upstream) -> list[Replica]:
    return [replica for replica in upstream.usable if replica.state == "ready"]


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


class UpstreamReady(BaseModel):
    """How many servers a domain has, and what is amiss."""

    model_config = ConfigDict(extra="forbid")

    servers: int
    ready: int
    troubles: dict[str, str]


class GatewayReady(Ready):
    """Every domain can be served."""

    upstreams: dict[str, UpstreamReady]


class ReplicaStatus(BaseModel):
    """One server, as the gateway sees it; `id` begins the ids of its sessions."""

    model_config = ConfigDict(extra="forbid")

    id: str
    address: str
    state: str
    why: str | None
    pivots: int | None
    in_flight: int


class UpstreamStatus(BaseModel):
    """A domain: where it is below the gateway, its servers, and what one of them says in `/metadata`."""

    model_config = ConfigDict(extra="forbid")

    path: str
    servers: list[ReplicaStatus]
    metadata: dict[str, Any] | None


class GatewayMetadata(BaseModel):
    """What this gateway is and what stands behind it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    server_version: str
    schema_version: int
    limits: dict[str, float]
    domains: dict[str, UpstreamStatus]


async def alive(gateway: Gateway, call: Call) -> Reply:
    """The process answers."""
    return reply(Health())


async def ready(gateway: Gateway, call: Call) -> Reply:
    """Every domain has a server that can serve."""
    waiting = [upstream for upstream in gateway.upstreams.values() if not _ready_ones(upstream)]
    await asyncio.gather(*(gateway.look_again(upstream) for upstream in waiting))
    said = {
        name: UpstreamReady(
            servers=len(upstream.replicas), ready=len(_ready_ones(upstream)), troubles=upstream.troubles()
        )
        for name, upstream in gateway.upstreams.items()
    }
    missing = [name for name, upstream in said.items() if not upstream.ready]
    if missing:
        raise Warming(
            f"no server is ready for {', '.join(missing)}",
            hint="details.upstreams says what is amiss",
            retry_after_s=RETRY_AFTER_S,
            details={"upstreams": {name: upstream.model_dump() for name, upstream in said.items()}},
        )
    return reply(GatewayReady(upstreams=said))


async def metadata(gateway: Gateway, call: Call) -> Reply:
    """The domains, their servers and limits."""
    said = await asyncio.gather(*(status_of(upstream) for upstream in gateway.upstreams.values()))
    settings = gateway.settings
    sizes = ("max_body_bytes", "max_header_bytes", "max_in_flight")
    names = (*sizes, "receive_timeout_s", "timeout_s", "connect_timeout_s", "check_s")
    return reply(
        GatewayMetadata(
            name="gateway",
            server_version=pivotgym.__version__,
            schema_version=SCHEMA_VERSION,
            limits={name: getattr(settings, name) for name in names},
            domains=dict(zip(gateway.upstreams, said, strict=True)),
        )
    )


async def status_of(upstream: Upstream) -> UpstreamStatus:
    """How a domain is, with what one of its servers says of itself."""
    said: Any = None
    replica = upstream.pick()
    if replica is not None:
        with suppress(Broken, health.Unusable):
            status, body = await health.ask_json(upstream, replica, "GET", "/metadata")
            said = body if status == 200 and isinstance(body, dict) else None
    servers = [
        ReplicaStatus(
            id=replica.tag,
            address=str(replica.address),
            state=replica.state,
            why=replica.why,
            pivots=replica.pivots,
            in_flight=replica.in_flight,
        )
        for replica in upstream.replicas.values()
    ]
    return UpstreamStatus(path=f"/{upstream.name}", servers=servers, metadata=said)


async def metrics(gateway: Gateway, call: Call) -> Reply:
    """Prometheus' text format: the gateway's own figures, and those of the servers added up by `domain`."""
    found = await asyncio.gather(*(gateway.pages(upstream) for upstream in gateway.upstreams.values()))
    pages = [({"domain": name}, page) for name, pages in zip(gateway.upstreams, found, strict=True) for page in pages]
    return metrics_reply(gateway.metrics.page() + summed_by(pages))


def metrics_reply(page: bytes) -> Reply:
    """A page of metrics as an answer."""
    return Reply(page, headers=((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),))


ROUTES = (
    RouteSpec("GET", "/health", alive, "The process is alive", response=Health),
    RouteSpec("GET", "/ready", ready, "Every domain can be served", response=GatewayReady),
    RouteSpec("GET", "/metadata", metadata, "Domains, servers, limits", response=GatewayMetadata),
    RouteSpec("GET", "/metrics", metrics, "Prometheus metrics"),
)
