"""`/health`, `/ready`, `/metadata`, `/metrics`.

Owns: what a server says about itself. Does not own: the figures (`metrics`).
"""

from __future__ import annotations

import pivotgym
from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import Warming
from pivotgym.core.formats import format_names
from pivotgym.core.trajectory import SCHEMA_VERSION
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.metrics import summed
from pivotgym.servers.peers import Away, inside
from pivotgym.servers.schemas import ChatModel, Health, Metadata, Ready, SessionOptions
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, reply

_SPACES = {
    "action": "an assistant message in OpenAI chat format, or {text, format}",
    "observation": "text; the structured messages are in info",
}


async def health(service: Service, call: Call) -> Reply:
    """The process answers."""
    return reply(Health())


async def ready(service: Service, call: Call) -> Reply:
    """The domain has what it needs, and the judge answers."""
    missing = await service.pool.run(service.unready, service.settings.timeout_s, "the check")
    if missing is not None:
        raise Warming(missing, retry_after_s=1.0)
    if not inside():
        for answer in await service.peers.each("GET", "/ready"):
            if isinstance(answer, Away):
                raise answer.warming()
            if answer.status != 200:
                return answer
    return reply(Ready())


async def metadata(service: Service, call: Call) -> Reply:
    """Name, version, spaces, options and limits."""
    domain = service.domain
    service.pivots.refresh()
    return reply(
        Metadata(
            name=domain.name,
            version=domain.version,
            description=domain.description,
            server_version=pivotgym.__version__,
            schema_version=SCHEMA_VERSION,
            verifier=domain.comparator.name,
            rules=service.runtime.rules(),
            candidate_rule=domain.candidate_rule,
            horizons=["pivot", "episode"],
            formats=format_names(),
            spaces=_SPACES,
            options=SessionOptions.model_json_schema()["properties"],
            limits=service.settings.limits(),
            details=domain.details(),
            pivots=len(service.pivots),
            judge=_named(service.settings.judge),
            user=_named(service.settings.user),
        )
    )


def _named(server: ChatServer | None) -> ChatModel | None:
    return ChatModel(base_url=server.base_url, model=server.model) if server is not None else None


async def metrics(service: Service, call: Call) -> Reply:
    """Prometheus' text format; the sum over all worker processes."""
    page = service.metrics.page()
    if service.peers.others and not inside():
        answers = await service.peers.each("GET", "/metrics")
        page = summed([page, *(answer.body for answer in answers if isinstance(answer, Reply))])
    return Reply(page, headers=((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),))


ROUTES = (
    RouteSpec("GET", "/health", health, "The process is alive", response=Health),
    RouteSpec("GET", "/ready", ready, "The domain can serve", response=Ready),
    RouteSpec("GET", "/metadata", metadata, "Name, version, spaces, options, limits", response=Metadata),
    RouteSpec("GET", "/metrics", metrics, "Prometheus metrics"),
)
