"""What is said to OpenAI-compatible chat servers and what their answers mean, without any I/O.

Owns: options and where the API key comes from, requests in OpenAI's shapes, reading answers, whether and when to try
again. Does not own: sockets and sleeping (`core/chat_api`).
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from pivotgym.core.errors import (
    ConfigError,
    Full,
    InfrastructureError,
    InputError,
    NotFound,
    PivotGymError,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unreachable,
)
from pivotgym.core.messages import Message

RETRIED_STATUS = frozenset({408, 425, 429, *range(500, 600)})
"""Statuses after which the same request may succeed."""
BASE_WAIT_S, MOST_WAIT_S = 0.25, 20.0
_TOO_LONG = re.compile(r"context.{0,20}(length|size|window)|too (long|many tokens)", re.IGNORECASE)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ChatOptions:
    """How a chat server is reached.

    Attributes:
        base_url: Its address up to and with `/v1`.
        model: The model's name there.
        api_key: Sent as bearer token; never shown.
        timeout_s: Time-out of one try.
        retries: Further tries after the first.
        deadline_s: Seconds for one call with all its tries.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    retries: int = 4
    deadline_s: float = 600.0

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"base_url: expected an http or https address, got {self.base_url!r}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(f"base_url: expected an http or https address, got {self.base_url!r}")
        if url.userinfo:
            raise ConfigError(
                "base_url: expected an address without user and password in it",
                hint="give the key by an environment variable or a file",
            )
        if self.retries < 0 or self.timeout_s <= 0 or self.deadline_s <= 0:
            raise ConfigError(
                "retries, timeout_s, deadline_s: expected at least 0, above 0 and above 0, "
                f"got {self.retries}, {self.timeout_s}, {self.deadline_s}"
            )

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        bearer = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {"content-type": "application/json", **bearer}

    @property
    def trust_env(self) -> bool:
        """Whether the environment's proxies apply: not on this machine."""
        return httpx.URL(self.base_url).host not in _LOOPBACK


def read_api_key(env: str | None = None, file: str | Path | None = None) -> str | None:
    """The API key from an environment variable or a file; `None` where neither is named.

    Raises:
        ConfigError: If both are named, or the named one has no key. The message never holds a key.
    """
    if env is not None and file is not None:
        raise ConfigError("api_key_env, api_key_file: expected at most one of them, got both")
    if env is None and file is None:
        return None
    source = f"api_key_env: the environment variable {env!r}" if env is not None else f"api_key_file: {str(file)!r}"
    try:
        key = os.environ.get(env, "") if env is not None else Path(str(file)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} cannot be read: {type(error).__name__}") from error
    key = key.strip()
    if not key:
        raise ConfigError(f"{source} is not set or empty", hint="set it, or leave the option out for an open server")
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"{source} holds something that is no key: expected printable ASCII on one line")
    return key


@dataclass(frozen=True)
class Choice:
    """One of the answers to a request.

    Attributes:
        message: The assistant message; for `/completions` its content is the sampled text.
        finish_reason: `stop`, `tool_calls`, `length` (cut at the limit), `content_filter`, or `None` if not said.
    """

    message: Message
    finish_reason: str | None


@dataclass(frozen=True)
class Completion:
    """What a server answered.

    Attributes:
        choices: At least one; some servers give fewer than `n`.
        prompt_tokens: Tokens of the prompt, where the server counts them.
        completion_tokens: Tokens sampled for all choices together, where the server counts them.
    """

    choices: tuple[Choice, ...]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def to_openai(messages: Sequence[Message | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages as strict servers take them: the standard fields only, every call with an id and every result naming it.

    `developer` messages become `system`, which more servers know. Calls without an id are numbered; results without
    one answer the open calls in order.
    """
    sent: list[dict[str, Any]] = []
    open_ids: list[str] = []
    made = 0
    for item in messages:
        message = item if isinstance(item, Message) else Message.model_validate(dict(item))
        body: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
        body["content"] = message.content if message.content is not None else ""
        if message.role == "assistant" and message.tool_calls:
            body["content"] = message.content or None
            body["tool_calls"] = []
            for call in message.tool_calls:
                body["tool_calls"].append({**call.model_dump(), "id": call.id or f"call_{made}"})
                made += 1
            open_ids = [call["id"] for call in body["tool_calls"]]
        elif message.role == "tool":
            wanted = message.tool_call_id or (open_ids[0] if open_ids else f"call_{max(made - 1, 0)}")
            open_ids = [open_id for open_id in open_ids if open_id != wanted]
            body["tool_call_id"] = wanted
        elif message.name is not None:
            body["name"] = message.name
        sent.append(body)
    return sent


def read_completion(body: Any) -> Completion:
    """Read an answer of `/chat/completions` or `/completions`.

    Raises:
        ValueError: If it has not the shape of one; says what is missing.
    """
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise ValueError("expected an object with a list `choices`")
    raw = body.get("usage")
    usage = raw if isinstance(raw, dict) else {}
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) else None for count in counts)
    return Completion(tuple(map(_choice, choices)), prompt, completion)


def _choice(data: Any) -> Choice:
    if not isinstance(data, dict):
        raise ValueError("expected choices that are objects")
    message = data.get("message", {"content": data["text"]} if "text" in data else None)
    if not isinstance(message, dict):
        raise ValueError("expected a `message` or a `text` in each choice")
    kept = {key: value for key, value in message.items() if value is not None}
    try:
        read = Message.model_validate({**kept, "role": "assistant"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "message"
        raise ValueError(f"expected an assistant message, but {where}: {first['msg']}") from error
    reason = data.get("finish_reason")
    return Choice(read, reason if isinstance(reason, str) else None)


class Wait(float):
    """Seconds to wait before the next try."""


@dataclass
class Attempts:
    """The tries of one call: what each answer means, and how long to wait before the next."""

    path: str
    body: bytes
    options: ChatOptions
    begun: float
    rng: random.Random = field(default_factory=random.Random)
    tries: int = 0

    @property
    def url(self) -> str:
        """Where it goes."""
        return self.options.base_url.rstrip("/") + self.path

    @property
    def ends(self) -> float:
        """When the call must be over."""
        return self.begun + self.options.deadline_s

    def timeout_s(self, now: float) -> float:
        """Time-out of the next try, within the deadline."""
        return max(0.05, min(self.options.timeout_s, self.ends - now))

    def answered(self, status: int, headers: Mapping[str, str], content: bytes, now: float) -> Completion | Wait:
        """Take an answer: the completion, or the seconds to wait before the next try.

        Raises:
            PivotGymError: What the answer means, if another try cannot help or none is left.
        """
        after = _retry_after_s(headers)
        body = _json(content)
        if 200 <= status < 300:
            try:
                return read_completion(body)
            except ValueError as unusable:
                error: PivotGymError = InfrastructureError(
                    f"{self.url}: answered with status {status} and something unusable: {unusable}",
                    hint="is that address an OpenAI-compatible server (up to and with /v1)?",
                )
        else:
            error = self._refusal(status, body, after)
        if 200 <= status < 300 or status in RETRIED_STATUS:
            return self._again(error, after, now)
        raise error

    def unanswered(self, cause: Exception, now: float) -> Wait:
        """Take a failed connection: the seconds to wait before the next try.

        Raises:
            TimedOut: If no try is left and the last one took too long.
            Unreachable: If no try is left.
        """
        slow = isinstance(cause, httpx.TimeoutException | TimeoutError)
        tries = "1 try" if self.tries == 0 else f"{self.tries + 1} tries"
        what = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
        return self._again(
            (TimedOut if slow else Unreachable)(
                f"POST {self.url}: no answer in {tries}; the last failed with {what}",
                hint="raise timeout_s" if slow else "is the server up, and the address right?",
            ),
            None,
            now,
        )

    def _again(self, error: PivotGymError, after: float | None, now: float) -> Wait:
        self.tries += 1
        most = min(MOST_WAIT_S, BASE_WAIT_S * 2**self.tries)
        wait = max(after or 0.0, self.rng.uniform(most / 2, most))
        if self.tries > self.options.retries or now + wait >= self.ends:
            raise error
        return Wait(wait)

    def _refusal(self, status: int, body: Any, after: float | None) -> PivotGymError:
        said = _error_text(body)
        if self.options.api_key:
            said = said.replace(self.options.api_key, "[api key]")
        text = f"{self.url}: answered with status {status}" + (f": {said[:500]}" if said else "")
        details = {"status": status}
        if status in (401, 403):
            return Unauthorized(text, hint="name the key by api_key_env or api_key_file", details=details)
        if status == 404:
            hint = f"does the server know the model {self.options.model!r}, and does base_url end in /v1?"
            return NotFound(text, hint=hint, details=details)
        if status == 413 or (status in (400, 422) and _TOO_LONG.search(said)):
            return TooLarge(text, hint="the prompt is longer than the model's context", details=details)
        if status == 429:
            return Full(text, retry_after_s=after, hint="lower the concurrency", details=details)
        if status >= 500 or status in RETRIED_STATUS:
            return InfrastructureError(text, retry_after_s=after, hint="look at the server's log", details=details)
        return InputError(text, details=details)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _error_text(body: Any) -> str:
    """The message of an error body in any of the usual shapes: `error.message`, `error`, `message`, `detail`."""
    while isinstance(body, dict):
        body = next((body[name] for name in ("error", "message", "detail") if body.get(name)), "")
    return body if isinstance(body, str) else json.dumps(body) if body else ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds: a number, or a date."""
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
