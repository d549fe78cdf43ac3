"""A small real server with OpenAI's shapes on loopback, whose answers a test decides."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

Reply = dict[str, Any] | Response
Answer = Callable[[dict[str, Any], int], Reply]
"""Takes a request's body and its 0-based number, and gives the answer."""


class OpenAIServer:
    """Answers `/v1/chat/completions` and `/v1/completions` for as long as a `with` block lasts.

    Attributes:
        url: For `base_url`.
        bodies: The requests' bodies, in order of arrival, with `path` and `authorization` added.
        most_at_once: Most requests that were being answered at the same time.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.most_at_once = self._now = 0
        app = FastAPI()
        app.post("/v1/chat/completions")(self._serve)
        app.post("/v1/completions")(self._serve)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=lambda: self._server.run(sockets=[self._socket]), daemon=True)

    async def _serve(self, request: Request) -> Response:
        body = await request.json()
        number = len(self.bodies)
        path = request.url.path.removeprefix("/v1")
        self.bodies.append({**body, "path": path, "authorization": request.headers.get("authorization")})
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            reply = await asyncio.to_thread(self._answer, body, number)
        finally:
            self._now -= 1
        return reply if isinstance(reply, Response) else JSONResponse(reply)

    def __enter__(self) -> OpenAIServer:
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


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
