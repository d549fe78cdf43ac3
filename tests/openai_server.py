"""A small real server with OpenAI's shapes on loopback, whose answers a test decides."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

Reply = dict[str, Any] | Response
Answer = Callable[[dict[str, Any], int], Reply]
"""Takes a request's body and its 0-based number, and gives the answer."""


class OpenAIServer:
    """Answers `/v1/chat/completions` and `/v1/completions` for as long as a `with` block lasts.

    All of them share one server process-wide, each under a path of its own: starting one takes no time. Only one that
    is `alone` has a port of its own, where nothing answers any more once it ended.

    Attributes:
        url: For `base_url`.
        bodies: The requests' bodies, in order of arrival, with `path` and `authorization` added.
        most_at_once: Most requests that were being answered at the same time.
    """

    def __init__(self, answer: Answer, *, alone: bool = False) -> None:
        self._answer = answer
        self._own = _Hub() if alone else None
        self.bodies: list[dict[str, Any]] = []
        self.most_at_once = self._now = 0
        self._name = f"server-{next(_NUMBERS)}"
        self.url = f"{(self._own or _shared()).url}/{self._name}/v1"

    async def serve(self, path: str, request: Request) -> Response:
        body = await request.json()
        number = len(self.bodies)
        self.bodies.append({**body, "path": path, "authorization": request.headers.get("authorization")})
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            reply = await asyncio.to_thread(self._answer, body, number)
        finally:
            self._now -= 1
        return reply if isinstance(reply, Response) else JSONResponse(reply)

    def __enter__(self) -> OpenAIServer:
        _RUNNING[self._name] = self
        return self

    def __exit__(self, *_: object) -> None:
        _RUNNING.pop(self._name, None)
        if self._own is not None:
            self._own.stop()


_RUNNING: dict[str, OpenAIServer] = {}
_NUMBERS = itertools.count()


class _Hub:
    """A server on a free port."""

    def __init__(self) -> None:
        app = FastAPI()

        @app.post("/{name}/v1/{path:path}")
        async def serve(name: str, path: str, request: Request) -> Response:
            if name not in _RUNNING or path not in ("chat/completions", "completions"):
                return failed(404, "no such route")
            return await _RUNNING[name].serve(f"/{path}", request)

        listening = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        self._thread = threading.Thread(target=lambda: self._server.run(sockets=[listening]), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@cache
def _shared() -> _Hub:
    """The one server behind all that are not alone, started with the first and ended with the process."""
    return _Hub()


def said(*texts: str | None, finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A chat answer with one choice per text; `message` holds further fields of each message."""
    choices = [
        {"index": index, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3 * len(texts)}
    return {"object": "chat.completion", "choices": choices, "usage": usage}


def called(name: str, arguments: str, count: int = 1) -> dict[str, Any]:
    """A chat answer whose choices call one tool."""
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return said(*[None] * count, finish_reason="tool_calls", tool_calls=[call])


def wrote(*texts: str, finish_reason: str = "stop") -> dict[str, Any]:
    """An answer of `/completions`."""
    choices = [{"index": index, "finish_reason": finish_reason, "text": text} for index, text in enumerate(texts)]
    return {"object": "text_completion", "choices": choices}


def failed(status: int, message: str = "no", **headers: str) -> Response:
    """An error in OpenAI's shape."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error": {"message": message, "type": "t", "code": None}}, status, headers=named)


def dropped() -> Response:
    """A connection that breaks in the middle of the answer."""

    async def part() -> AsyncIterator[bytes]:
        yield b'{"choices": ['

    return StreamingResponse(part(), headers={"content-length": "1000"})
