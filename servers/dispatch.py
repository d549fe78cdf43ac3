"""The short way to a route: straight to its endpoint, past FastAPI's middleware and router.

That stack costs more CPU than scoring an action does. It keeps what it is good for: the documentation, and answering
what is no route of ours or has the wrong method.

Owns: finding a route. Does not own: routes (`app.ROUTES`), nor what answers them (`endpoint`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi import FastAPI
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from pivotgym.servers.endpoint import RouteSpec


def path_of(scope: Scope) -> str:
    """The path below where the application is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class Dispatch:
    """ASGI application: our routes at once, everything else by the application behind."""

    def __init__(self, behind: ASGIApp, endpoints: Iterable[tuple[RouteSpec, ASGIApp]]) -> None:
        self._behind = behind
        self._exact: dict[tuple[str, str], ASGIApp] = {}
        self._templates: list[tuple[str, re.Pattern[str], ASGIApp]] = []
        for spec, endpoint in endpoints:
            if "{" in spec.path:
                self._templates.append((spec.method, compile_path(spec.path)[0], endpoint))
            else:
                self._exact[spec.method, spec.path] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            endpoint = self._find(scope)
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        await self._behind(scope, receive, send)

    def _find(self, scope: Scope) -> ASGIApp | None:
        method, path = scope["method"], path_of(scope)
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        for wanted, pattern, endpoint in self._templates:
            if method == wanted and (match := pattern.match(path)):
                scope["path_params"] = match.groupdict()
                return endpoint
        return None


class Application(FastAPI):
    """A FastAPI application with another one, `front`, before it."""

    front: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the front, which calls `behind` for what it does not answer itself."""
        if self.front is None:
            await self.behind(scope, receive, send)
        else:
            await self.front(scope, receive, send)

    async def behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as FastAPI does."""
        await super().__call__(scope, receive, send)
