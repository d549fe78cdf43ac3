"""One client's conversation: each message is answered by one, and the client has at most one session.

Owns: the order of messages, the session between them, and that it ends with the conversation. Does not own: bytes on
the socket (`socket`), or what a session does (`routes_sessions`).
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from pivotgym.core.errors import InputError, NotFound, PivotGymError, WrongState, from_wire
from pivotgym.servers import routes_sessions
from pivotgym.servers.adapters import gym
from pivotgym.servers.endpoint import Call
from pivotgym.servers.openenv.shapes import METADATA, ResetData, Seen, error_message
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, as_error, check, encode, read_json

_KINDS = ("reset", "step", "state", "close")
NO_TOOLS = {"code": -32601, "message": "this environment offers no MCP tools: act by `step`"}
"""JSON-RPC's error for a method that is not there."""


class Conversation:
    """What one client says, and what it is answered.

    Args:
        service: The server's parts.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._session_id: str | None = None
        self._episode_id: str | None = None

    async def answer(self, text: str) -> dict[str, Any] | None:
        """The answer to a message; `None` to the last one, `close`. Failures are answers, never raised."""
        try:
            return await self._answer(text)
        except Exception as error:  # the boundary: whatever it is becomes an error with a code
            known = as_error(error)
            self._service.metrics.error(known.code)
            return error_message(known)

    async def _answer(self, text: str) -> dict[str, Any] | None:
        try:
            message = read_json(text.encode("utf-8", "surrogatepass"))
        except InputError as error:
            return error_message(error, "INVALID_JSON")
        kind = message.get("type") if isinstance(message, dict) else None
        data = message.get("data", {}) if isinstance(message, dict) else {}
        if kind == "mcp":
            request_id = data.get("id") if isinstance(data, dict) else None
            return {"type": "mcp", "data": {"jsonrpc": "2.0", "id": request_id, "error": NO_TOOLS}}
        if kind not in _KINDS:
            unknown = InputError(f"type: expected one of {list(_KINDS)}, got {str(kind)[:100]!r}")
            return error_message(unknown, "UNKNOWN_TYPE")
        if not isinstance(data, dict):
            raise InputError(f"data: expected an object, got {type(data).__name__}")
        if kind == "close":
            return None
        if kind == "state":
            return {"type": "state", "data": await self._state()}
        return {"type": "observation", "data": await (self._reset(data) if kind == "reset" else self._step(data))}

    async def _reset(self, data: dict[str, Any]) -> dict[str, Any]:
        asked = check(ResetData, data)
        state = data.get("injected_state")
        if state is None:
            state = await self._drawn(asked)
        body = {**state, "seed": asked.seed or 0, "options": asked.options, "timeout_s": asked.timeout_s}
        if self._session_id is not None:
            body["session_id"] = self._session_id
        try:
            answer = _read(await gym.reset(self._service, _call(body)))
        except NotFound as error:
            if self._session_id is None or error.session_id != self._session_id:
                raise
            self._session_id = None  # it was closed for idleness, or its worker ended: this reset makes a new one
            return await self._reset(data)
        self._session_id, self._episode_id = answer["session_id"], asked.episode_id
        return _observed(answer, reward=None)

    async def _step(self, data: dict[str, Any]) -> dict[str, Any]:
        if self._session_id is None:
            raise WrongState("step: no episode has begun", hint="send reset first")
        action = {name: value for name, value in data.items() if name != METADATA}
        answer = await self._in_session(routes_sessions.step, {"action": action})
        return _observed(answer, reward=answer["reward"])

    async def _state(self) -> dict[str, Any]:
        if self._session_id is None:
            return {"episode_id": None, "step_count": 0}
        known = await self._in_session(routes_sessions.describe, {})
        return {"episode_id": self._episode_id or self._session_id, "step_count": known["steps"], **known}

    async def _in_session(self, handler: Any, body: dict[str, Any]) -> Any:
        return _read(await handler(self._service, _call(body, session_id=self._session_id)))

    async def _drawn(self, asked: ResetData) -> dict[str, Any]:
        rng = random.Random(asked.seed)
        if asked.options.horizon == "episode":
            service = self._service
            tasks = await service.pool.run(service.runtime.tasks, service.settings.timeout_s, "listing the tasks")
            if tasks:
                return {"task_id": rng.choice(tasks).id}
        return {"pivot_id": self._service.pivots.drawn(rng)}

    async def end(self) -> None:
        """Close the session. Ending again does nothing."""
        session_id, self._session_id = self._session_id, None
        if session_id is not None:
            with suppress(PivotGymError):  # one that is gone, or whose worker is, needs no closing
                await routes_sessions.close(self._service, _call({}, session_id=session_id))


def _call(body: dict[str, Any], **path: Any) -> Call:
    return Call(path=path, query_string=b"", body=encode(body))


def _read(reply: Reply) -> Any:
    """What a route answered.

    Raises:
        PivotGymError: If it is another worker's error.
    """
    value = read_json(reply.body)
    if reply.status != 200:
        raise from_wire(value)
    return value


def _observed(answer: dict[str, Any], reward: float | None) -> dict[str, Any]:
    terminated, truncated = answer.get("terminated", False), answer.get("truncated", False)
    seen = Seen(text=answer["observation"], info=answer["info"], terminated=terminated, truncated=truncated)
    return {"observation": seen.model_dump(), "reward": reward, "done": terminated or truncated}
