"""What a call to the gateway is: which domain, which route, and what must be known of it to pass it on.

Owns: reading addresses and the few fields of bodies that decide where a call goes. Does not own: passing it on
(`passing`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from pydantic_core import from_json, to_json
from starlette.types import Scope

from pivotgym.servers.dispatch import path_of

PURE = frozenset({"/verify", "/verify/batch", "/reward", "/nemo_gym/verify", "/pivots/prepare"})
"""POST routes that change nothing a repeat would change again: they may be sent to another replica."""
REWARD = "/reward/"
_SESSION = re.compile(rb"/sessions/([^/]+)((?:/[^/]*)?)")
_KNOWN = frozenset(
    {"/health", "/ready", "/metadata", "/metrics", "/pivots", "/tasks", "/sessions", "/reset", "/step", *PURE}
)
_PARTS = {b"": "", b"/step": "/step", b"/fork": "/fork"}


class Place(NamedTuple):
    """Where a request goes: a domain, and the path below it, quoted as it came."""

    domain: str
    path: bytes


def place_of(scope: Scope) -> Place | None:
    """Where a request goes; `None` for a path that is not below a domain's."""
    raw = scope.get("raw_path")
    path = bytes(raw) if raw is not None else quote(path_of(scope)).encode()
    path = path.removeprefix(quote(scope.get("root_path", "")).encode())
    _, _, below = path.partition(b"/")
    domain, slash, rest = below.partition(b"/")
    return Place(_text(domain), slash + rest) if slash else None


def path_below(scope: Scope) -> str:
    """The path below the domain's, unquoted; the whole path where it is below none. This is what the guard sees."""
    place = place_of(scope)
    return path_of(scope) if place is None else _text(place.path)


def _text(quoted: bytes) -> str:
    return unquote_to_bytes(quoted).decode("utf-8", "replace")


@dataclass(frozen=True)
class Call:
    """A request to a domain.

    Attributes:
        method: HTTP method.
        path: Below the domain's, quoted.
        query: Query string, without the question mark.
        content_type: Of the body, where it was given.
        body: The body.
        route: The unquoted path; `/reward` for that with a token, which never leaves the gateway.
    """

    method: str
    path: bytes
    query: bytes
    content_type: bytes | None
    body: bytes
    route: str = ""

    @classmethod
    def of(cls, scope: Scope, path: bytes) -> Call:
        """A request whose body has not been read."""
        content_type = next((value for name, value in scope["headers"] if name == b"content-type"), None)
        text = _text(path)
        route = "/reward" if text.startswith(REWARD) else text
        # An answer to HEAD announces a body that does not come; what listens here leaves it out again.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return cls(method, path, scope["query_string"], content_type, b"", route)

    @property
    def target(self) -> bytes:
        """Path and query as they are sent on."""
        path = b"/reward" if self.route == "/reward" else self.path
        return path + b"?" + self.query if self.query else path

    @property
    def pure(self) -> bool:
        """Whether it may be carried out twice."""
        return self.method == "GET" or (self.method == "POST" and self.route in PURE)

    @property
    def label(self) -> str:
        """The route's template, for the metrics: no id and no unknown path becomes a label."""
        if self.route in _KNOWN:
            return f"{self.method} {self.route}"
        session = _SESSION.fullmatch(self.path)
        if session is not None:
            return f"{self.method} /sessions/{{session_id}}{_PARTS.get(session[2], '/...')}"
        return f"{self.method} /pivots/{{pivot_id}}" if self.route.startswith("/pivots/") else "other"

    def session(self) -> str | None:
        """The id of the session that the path or, for Gym's names, the body tells."""
        found = _SESSION.fullmatch(self.path)
        if found is not None:
            return _text(found[1])
        named = self.fields.get("session_id") if self.route in ("/reset", "/step") else None
        return named if isinstance(named, str) else None

    def in_session(self, own: str) -> Call:
        """The call as the replica knows it, with its own id of the session."""
        found = _SESSION.fullmatch(self.path)
        if found is not None:
            return replace(self, path=b"/sessions/" + quote(own, safe="").encode() + found[2])
        return replace(self, body=to_json({**self.fields, "session_id": own}))

    def key(self) -> str | None:
        """The body's idempotency key."""
        key = self.fields.get("idempotency_key")
        return key if isinstance(key, str) else None

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The fields of the body; none where it is no strict JSON object, which the replica will refuse."""
        try:
            body = from_json(self.body or b"{}", allow_inf_nan=False)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}
