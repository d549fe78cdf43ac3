"""Who may call: the bearer token, the token of `/reward/{token}`, and keeping both out of the logs.

Owns: checking and redacting tokens. Does not own: where they come from (`settings`).
"""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from pivotgym.core.errors import InputError, Unauthorized
from pivotgym.servers.dispatch import path_of
from pivotgym.servers.endpoint import Counts, answer_with
from pivotgym.servers.settings import Tokens
from pivotgym.servers.sites import Forbidden, own_name, same_origin
from pivotgym.servers.wire import error_reply

OPEN = frozenset({"/health", "/ready"})
REWARD = "/reward/"
OPENENV = "/openenv/"
"""Below it the token may come as a password: OpenEnv's client sends no header but what its address holds."""


class Guard:
    """ASGI middleware that lets nobody past without the token; where there is none, no page of another site.

    Args:
        app: What is guarded.
        tokens: The tokens.
        metrics: Where refusals are counted.
        path_in: The path by which it is decided what a request wants.
    """

    def __init__(
        self, app: ASGIApp, tokens: Tokens, metrics: Counts, path_in: Callable[[Scope], str] = path_of
    ) -> None:
        self._app = app
        self._bearer = tokens.bearer.encode() if tokens.bearer is not None else None
        self._reward = tokens.reward
        self._metrics = metrics
        self._path_in = path_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 403."""
        if scope["type"] in ("http", "websocket"):
            refusal = self._refusal(scope)
            if refusal is not None:
                self._metrics.error(refusal.code)
                self._metrics.request(refusal.code, refusal.status, 0.0)
                await answer_with(error_reply(refusal), send, scope["type"])
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> InputError | None:
        path = self._path_in(scope)
        if path.startswith(REWARD):
            return self._reward_refusal(path[len(REWARD) :])
        if path in OPEN:
            return None
        if self._bearer is None:
            return _foreign(scope)
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() == b"basic" and path.startswith(OPENENV):
            scheme, token = b"bearer", _password(token)
        if scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._bearer):
            return None
        came = "another" if token else "none"
        return Unauthorized(f"Authorization: expected the server's bearer token, got {came}", hint="send the token")

    def _reward_refusal(self, token: str) -> Unauthorized | None:
        if self._reward is not None and hmac.compare_digest(token.encode("utf-8", "replace"), self._reward.encode()):
            return None
        why = "another" if self._reward is not None else "one, but this server has none"
        return Unauthorized(
            f"/reward/{{token}}: expected the server's reward token, got {why}",
            hint="name its file in PIVOTGYM_REWARD_TOKEN_FILE when the server starts, and use its text in the address",
        )


def _password(credentials: bytes) -> bytes:
    """The password of HTTP's basic scheme, empty where there is none."""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _foreign(scope: Scope) -> Forbidden | None:
    try:
        own_name(scope)
        if scope.get("method") not in ("GET", "HEAD"):  # a socket has none, and may say anything
            same_origin(scope)
    except Forbidden as refusal:
        return refusal
    return None


class Redact(logging.Filter):
    """Takes the token of `/reward/{token}` out of log records."""

    _token = re.compile(r"(/reward/)[^\s?\"']+")

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact and keep the record."""
        if isinstance(record.args, tuple):
            record.args = tuple(self._clean(value) for value in record.args)
        record.msg = self._clean(record.msg)
        return True

    def _clean(self, value: object) -> object:
        return self._token.sub(r"\1<redacted>", value) if isinstance(value, str) else value
