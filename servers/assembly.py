"""Putting an application together: routes, the guard, errors, the watch on clients, the document.

The environment servers, the gateway and the policy server are all made here, so that tokens, limits and errors are the
same everywhere.

Owns: that order. Does not own: any route, or what a server does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

import pivotgym
from pivotgym.core.errors import InputError, NotFound, PivotGymError
from pivotgym.servers import api_text
from pivotgym.servers.auth import Guard
from pivotgym.servers.dispatch import Application, Dispatch, path_of
from pivotgym.servers.endpoint import Endpoint, RouteSpec, Serving
from pivotgym.servers.openapi import document
from pivotgym.servers.presence import Watch
from pivotgym.servers.schemas import ErrorBody
from pivotgym.servers.settings import Tokens
from pivotgym.servers.wire import error_reply

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Assembled(NamedTuple):
    """An application, and the two ways into it: past the guard, and behind it."""

    app: Application
    guarded: ASGIApp
    open: ASGIApp


class _MethodNotAllowed(InputError):
    code = "method_not_allowed"
    status = 405


def assemble(
    *,
    title: str,
    description: str,
    routes: Sequence[RouteSpec],
    service: Serving,
    tokens: Tokens,
    lifespan: Lifespan,
    documented: Sequence[RouteSpec] = (),
    rest: ASGIApp | None = None,
    path_in: Callable[[Scope], str] = path_of,
    error: type[BaseModel] = ErrorBody,
) -> Assembled:
    """An application of these routes.

    Args:
        title: Of the document.
        description: Of the document.
        routes: What is answered here.
        service: What the handlers of the routes are given.
        tokens: Who may call.
        lifespan: What is done at the start and at the end.
        documented: Routes that the document shows beside `routes`.
        rest: Answers what is none of `routes`; it calls `Application.behind` for what it does not know.
        path_in: See `Guard`.
        error: Schema of what failures answer, for the document.
    """
    app = Application(
        title=title,
        version=pivotgym.__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's loads its scripts from another host
        redoc_url=None,
    )
    app.openapi = functools.cache(  # type: ignore[method-assign]
        lambda: document(
            title,
            pivotgym.__version__,
            description,
            [*routes, *documented],
            secured=tokens.bearer is not None,
            error=error,
        )
    )
    endpoints = [(spec, Endpoint(spec, service)) for spec in routes]
    for spec, endpoint in endpoints:
        app.router.routes.append(Route(spec.path, endpoint, methods=[spec.method]))
    documentation = functools.cache(lambda: api_text.page(app.openapi()))
    app.router.routes.append(Route("/docs", lambda request: HTMLResponse(documentation(), headers=api_text.HEADERS)))
    app.add_exception_handler(HTTPException, _http_error)
    behind = Watch(Dispatch(rest or app.behind, endpoints))
    app.front = guarded = Guard(behind, tokens, service.metrics, path_in)
    return Assembled(app, guarded, behind)


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
