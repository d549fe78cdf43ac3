"""`/openenv/ws`: the socket of OpenEnv's clients.

Owns: how many there may be, how long one may be silent, and that no other site's page opens one. Does not own: tokens
(`auth`), the size of messages (`running`), or what is said (`connection`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from pivotgym.core.errors import Full, PivotGymError
from pivotgym.servers.openenv.connection import Conversation
from pivotgym.servers.openenv.shapes import error_message
from pivotgym.servers.service import Service
from pivotgym.servers.sites import Forbidden, same_origin
from pivotgym.servers.wire import encode, error_reply

PATH = "/openenv/ws"
_DONE, _SILENT, _FULL = 1000, 1008, 1013


class OpenEnvSocket:
    """ASGI application of the route.

    Args:
        service: The server's parts; as many sockets may be open as sessions live.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Talk with one client until it or the server is done."""
        socket = WebSocket(scope, receive, send)
        try:
            same_origin(scope)  # browsers let any page open sockets to any address
        except Forbidden as error:
            answer = error_reply(error)
            headers = {name.decode(): value.decode() for name, value in answer.headers}
            await socket.send_denial_response(Response(answer.body, answer.status, headers))
            return
        await socket.accept()
        most = self._service.settings.max_sessions
        if self._open >= most:
            await _send(socket, error_message(_full(most)))
            await socket.close(_FULL)
            return
        self._open += 1
        try:
            await self._talk(socket)
        except WebSocketDisconnect:
            return
        finally:
            self._open -= 1

    async def _talk(self, socket: WebSocket) -> None:
        conversation = Conversation(self._service)
        try:
            while (text := await self._heard(socket)) is not None:
                answer = await conversation.answer(text)
                if answer is None:
                    await socket.close(_DONE)
                    return
                await _send(socket, answer)
            await socket.close(_SILENT, "silent for too long")
        finally:
            # Shielded: the session ends also where this task is cancelled.
            await asyncio.shield(conversation.end())

    async def _heard(self, socket: WebSocket) -> str | None:
        """The next message; `None` once the client has been silent for the idle time-out."""
        try:
            message = await asyncio.wait_for(socket.receive(), self._service.settings.idle_timeout_s)
        except TimeoutError:
            return None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | None = message.get("text")
        return text if text is not None else ""


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(encode(message).decode())


def _full(most: int) -> PivotGymError:
    return Full(f"all {most} connections are in use", hint="close those that are done", retry_after_s=1.0)
