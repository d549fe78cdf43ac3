"""The client without its I/O: what is sent, what an answer means, and whether and when to try again.

Owns: requests, answers and retries, as pure functions and one small state machine. Does not own: sockets or sleeping
(`sync`, `aio`).

Every request may be repeated safely: scoring is pure, and what changes something carries an idempotency key.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pivotgym.core.errors import ConfigError, InfrastructureError, PivotGymError, Unreachable, from_wire

T = TypeVar("T")

RETRIED = frozenset({"full", "warming", "timeout", "infrastructure"})
"""Codes after which the same request may succeed."""
RETRIED_IF_PURE = frozenset({"world_failed", "verifier_failed"})
"""Codes after which it may only if it started from a fresh state: a session whose world broke stays broken."""
BASE_WAIT_S, MOST_WAIT_S = 0.1, 5.0
MARGIN_S = 5.0


@dataclass(frozen=True)
class Options:
    """How a client behaves.

    Attributes:
        base_url: The server's address.
        token: Bearer token.
        timeout_s: Time-out of one try, where the call names none.
        retries: Further tries after the first.
        deadline_s: Seconds after which no further try is begun.
    """

    base_url: str
    token: str | None
    timeout_s: float
    retries: int
    deadline_s: float

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"base_url: expected an http or https address, got {self.base_url!r}")
        if self.retries < 0 or self.timeout_s <= 0 or self.deadline_s <= 0:
            raise ConfigError(
                "retries, timeout_s, deadline_s: expected at least 0, above 0 and above 0, "
                f"got {self.retries}, {self.timeout_s}, {self.deadline_s}"
            )

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call.

    Attributes:
        method: HTTP method.
        path: Path and query.
        read: Makes the result from the answer's JSON.
        body: JSON body, `None` for none.
        timeout_s: Time-out of one try, where it differs from the client's.
        pure: Whether a broken world is no reason to give up.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    body: bytes | None = None
    timeout_s: float | None = None
    pure: bool = True


def request(
    method: str,
    path: str,
    read: Callable[[Any], T],
    body: dict[str, Any] | None = None,
    *,
    timeout_s: float | None = None,
    pure: bool = True,
) -> Request[T]:
    """Build a request; fields of the body that are `None` are left out.

    Args:
        method: HTTP method.
        path: Path and query.
        read: Makes the result from the answer's JSON.
        body: Fields of the body.
        timeout_s: The call's own time-out, told to the server too; this side waits a little longer.
        pure: As in `Request`.
    """
    if body is None:
        return Request(method, path, read, None, timeout_s, pure)
    if timeout_s is not None:
        body = {**body, "timeout_s": timeout_s}
    content = json.dumps({name: value for name, value in body.items() if value is not None}, ensure_ascii=True)
    return Request(method, path, read, content.encode(), None if timeout_s is None else timeout_s + MARGIN_S, pure)


def fresh_key() -> str:
    """A new idempotency key."""
    return uuid.uuid4().hex


def in_path(part: str) -> str:
    """A part of a path, quoted."""
    return quote(part, safe="")


class Wait(float):
    """Seconds to wait before the next try."""


@dataclass
class Attempts(Generic[T]):
    """The tries of one call: tells what each answer means, and how long to wait before the next.

    Attributes:
        request: What is sent.
        options: The client's options.
        begun: Time of the first try, on any monotonic clock.
        rng: Draws the jitter.
    """

    request: Request[T]
    options: Options
    begun: float
    rng: random.Random = field(default_factory=random.Random)
    tries: int = 0

    @property
    def url(self) -> str:
        """Where it goes."""
        return self.options.base_url.rstrip("/") + self.request.path

    def timeout_s(self, now: float) -> float:
        """Time-out of the next try: what the call or the client names, within the deadline."""
        left = self.begun + self.options.deadline_s - now
        return max(0.05, min(self.request.timeout_s or self.options.timeout_s, left))

    def answered(self, status: int, retry_after: str | None, content: bytes, now: float) -> T | Wait:
        """Take an answer: the result, or the seconds to wait before the next try.

        Raises:
            PivotGymError: What the server answered, if another try cannot help or none is left.
        """
        self.tries += 1
        body = _json(content)
        if 200 <= status < 300 and body is not None:
            return self.request.read(body)
        error = _error(self.url, status, retry_after, body)
        retried = RETRIED | RETRIED_IF_PURE if self.request.pure else RETRIED
        if error.code not in retried:
            raise error
        wait = self._wait(error.retry_after_s, now)
        if wait is None:
            raise error
        return Wait(wait)

    def unanswered(self, cause: Exception, now: float) -> Wait:
        """Take a failed connection: the seconds to wait before the next try.

        Raises:
            Unreachable: If no try is left.
        """
        self.tries += 1
        wait = self._wait(None, now)
        if wait is None:
            raise Unreachable(
                f"{self.request.method} {self.url}: no answer in {self.tries} "
                f"{'try' if self.tries == 1 else 'tries'} within {self.options.deadline_s:g} s; "
                f"the last failed with {type(cause).__name__}: {cause}",
                hint="is the server up, and the address right?",
                details={"url": self.url, "attempts": self.tries},
            ) from cause
        return Wait(wait)

    def _wait(self, retry_after_s: float | None, now: float) -> float | None:
        if self.tries > self.options.retries:
            return None
        most = min(MOST_WAIT_S, BASE_WAIT_S * 2**self.tries)
        wait = max(retry_after_s or 0.0, self.rng.uniform(most / 2, most))
        return wait if now + wait < self.begun + self.options.deadline_s else None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _error(url: str, status: int, retry_after: str | None, body: Any) -> PivotGymError:
    if not isinstance(body, dict) or "code" not in body:
        return InfrastructureError(
            f"{url}: expected a PivotGym answer, got status {status} with something else",
            hint="is that address a PivotGym server, without a proxy's error page in between?",
        )
    after = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
    return from_wire(body, retry_after_s=after)
