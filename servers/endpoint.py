"""One route as a plain ASGI application: read the body, call the handler, answer, count; no failure gets past it.

Owns: the way of every request. Does not own: any route, nor authentication (`auth`). FastAPI's dependency injection is
left out on purpose: it costs more than a verdict does.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from pivotgym.core.errors import InputError, TooLarge, UnknownOption
from pivotgym.servers.settings import Listening
from pivotgym.servers.wire import Reply, as_error, error_reply

_START = "http.response.start"
_BODY = "http.response.body"


@dataclass(slots=True)
class Call:
    """A request: what the path and the query say, and the body."""

    path: dict[str, Any]
    query_string: bytes
    body: bytes

    def query(self, *names: str) -> dict[str, str | None]:
        """The query's values by name, `None` for those not given.

        Raises:
            UnknownOption: If the query has another name.
        """
        given = dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise UnknownOption(f"query: unknown parameter {unknown[0][:100]!r}; expected some of {list(names)}")
        return {name: given.get(name) for name in names}


Handler = Callable[[Any, Call], Awaitable[Reply]]
"""Takes what the server's handlers share, and the request."""


class Serving(Protocol):
    """What an endpoint needs of a server; its handlers need more."""

    @property
    def settings(self) -> Listening:
        """Its limits."""

    @property
    def metrics(self) -> Counts:
        """Where requests are counted."""


class Counts(Protocol):
    """What requests are counted in."""

    def error(self, code: str) -> None:
        """Count an error."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""


@dataclass(frozen=True)
class RouteSpec:
    """A route of the table.

    Attributes:
        method: HTTP method.
        path: Path template.
        handler: What answers.
        summary: One line for the documentation.
        request: Schema of the body, `None` where there is none.
        response: Schema of the answer, `None` where it is text or in another project's shape.
        query: Names of query parameters.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    request: type[BaseModel] | None = None
    response: type[BaseModel] | None = None
    query: tuple[str, ...] = ()


class Endpoint:
    """The ASGI application of one route."""

    def __init__(self, spec: RouteSpec, service: Serving) -> None:
        self._spec = spec
        self._service = service
        self._name = f"{spec.method} {spec.path}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        try:
            body = await read_body(scope, receive, self._service.settings.max_body_bytes)
            answer = await self._spec.handler(
                self._service, Call(scope.get("path_params", {}), scope["query_string"], body)
            )
        except Exception as error:  # the boundary: whatever it is becomes an error with a code
            known = as_error(error)
            self._service.metrics.error(known.code)
            answer = error_reply(known)
        await answer_with(answer, send)
        self._service.metrics.request(self._name, answer.status, time.perf_counter() - begun)


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body of a request.

    Raises:
        TooLarge: If it is over `most` bytes; by its announced length where there is one, unread.
        InputError: If the connection closed before all of it came.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and (len(value) > 15 or int(value) > most):
            raise _too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InputError("body: the connection closed before all of it came")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(most)
        body = b"".join(parts)
    return body


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"body: expected at most {most} bytes, got more", hint="split it, or raise max_body_bytes")


async def answer_with(answer: Reply, send: Send, kind: str = "http") -> None:
    """Send an answer; to a client that asks for a WebSocket (`kind` "websocket") in its place."""
    before = "" if kind == "http" else "websocket."
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": before + _START, "status": answer.status, "headers": headers})
    await send({"type": before + _BODY, "body": answer.body})
