"""A server before a real one that breaks one thing, for checks of what our own server never does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import httpx
from fastapi import FastAPI, Request, Response

from pivotgym.servers.running import OnThread, uvicorn_server
from pivotgym.servers.settings import Settings

Forward = Callable[..., httpx.Response]
Broken = Callable[[Request, bytes, Forward], httpx.Response]
"""Gets a request, its body and what passes a body on, and gives the answer."""


class BrokenServer:
    """Passes each call on to a server through `broken`, for as long as a `with` block lasts.

    Attributes:
        url: Where it answers.
    """

    def __init__(self, behind: str, broken: Broken) -> None:
        self._http = httpx.Client(base_url=behind, trust_env=False, timeout=20)
        self._broken = broken
        settings = Settings(port=0)
        self._server = OnThread(lambda: uvicorn_server(self._app(), settings), settings)
        self.url = self._server.url

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.api_route("/{path:path}", methods=["GET", "POST", "DELETE"])
        async def passed(request: Request) -> Response:
            sent = await request.body()
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")

            def forward(body: bytes = sent) -> httpx.Response:
                headers = {"content-type": "application/json"}
                return self._http.request(request.method, path, content=body or None, headers=headers)

            answer = self._broken(request, sent, forward)
            kept = {name: value for name, value in answer.headers.items() if name in ("content-type", "retry-after")}
            return Response(answer.content, answer.status_code, kept)

        return app

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._http.close()
