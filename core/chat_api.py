"""One small client for OpenAI-compatible chat servers: policies, judges and user simulators speak through it.

Owns: sockets and sleeping, synchronous and asynchronous, around one pure core (`core/chat_wire`). Does not own: what an
answer means (an action, a judgement, a user's turn), or environment servers (`servers/client`).

    >>> with ChatClient("http://127.0.0.1:8001/v1", "my-model") as client:  # doctest: +SKIP
    ...     client.chat([{"role": "user", "content": "Hello"}], temperature=0).choices[0].message.text
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx

from pivotgym.core.chat_wire import Attempts, ChatOptions, Choice, Completion, Wait, read_api_key, to_openai
from pivotgym.core.messages import Message, Tool

__all__ = ["AsyncChatClient", "ChatClient", "ChatOptions", "Choice", "Completion"]


@cache
def _tls() -> ssl.SSLContext:
    # Loading the certificates takes longer than a request on loopback; one context serves all clients.
    return httpx.create_ssl_context()


class _Requests:
    """What both clients share: building requests."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str | None = None,
        api_key_file: str | Path | None = None,
        timeout_s: float = 120.0,
        retries: int = 4,
        deadline_s: float = 600.0,
    ) -> None:
        key = read_api_key(api_key_env, api_key_file)
        self.options = ChatOptions(base_url, model, key, timeout_s, retries, deadline_s)

    @property
    def model(self) -> str:
        """The model's name."""
        return self.options.model

    def _chat(
        self, messages: Sequence[Message | Mapping[str, Any]], tools: Sequence[Tool], fields: dict[str, Any]
    ) -> Attempts:
        listed = [tool.model_dump() for tool in tools] or None
        return self._attempts("/chat/completions", {"messages": to_openai(messages), "tools": listed, **fields})

    def _attempts(self, path: str, fields: dict[str, Any]) -> Attempts:
        body = {"model": self.model, **{name: value for name, value in fields.items() if value is not None}}
        return Attempts(path, json.dumps(body).encode(), self.options, time.monotonic())


class ChatClient(_Requests):
    """A client of one model on one server. Thread-safe; close it, or use it in a `with` block.

    Args:
        base_url: The server's address up to and with `/v1`.
        model: The model's name there.
        api_key_env: Environment variable that holds the API key.
        api_key_file: File that holds it. At most one of the two; an open server needs neither.
        timeout_s: Time-out of one try.
        retries: Further tries after the first.
        deadline_s: Seconds for one call with all its tries.

    Every call raises `Unauthorized`, `NotFound`, `TooLarge` (the prompt is longer than the context) or another
    `InputError` at once, and `Full`, `Unreachable`, `TimedOut` or another `InfrastructureError` when no try is left.
    """

    def __init__(self, base_url: str, model: str, **options: Any) -> None:
        super().__init__(base_url, model, **options)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=128)
        self._http = httpx.Client(
            headers=self.options.headers, limits=limits, trust_env=self.options.trust_env, verify=_tls()
        )

    def chat(
        self, messages: Sequence[Message | Mapping[str, Any]], *, tools: Sequence[Tool] = (), **fields: Any
    ) -> Completion:
        """Ask for the next assistant message.

        Args:
            messages: The conversation, see `to_openai`.
            tools: Tools the model may call natively.
            fields: Further fields of the request (`temperature`, `max_tokens`, `n`, ...); `None` leaves one out.
        """
        return self._send(self._chat(messages, tools, fields))

    def complete(self, prompt: str, **fields: Any) -> Completion:
        """Ask for the continuation of a text. `fields` as for `chat`."""
        return self._send(self._attempts("/completions", {"prompt": prompt, **fields}))

    def _send(self, attempts: Attempts) -> Completion:
        while True:
            try:
                status, headers, content = self._once(attempts)
            except (httpx.RequestError, TimeoutError) as error:
                outcome: Completion | Wait = attempts.unanswered(error, time.monotonic())
            else:
                outcome = attempts.answered(status, headers, content, time.monotonic())
            if isinstance(outcome, Completion):
                return outcome
            time.sleep(outcome)

    def _once(self, attempts: Attempts) -> tuple[int, Mapping[str, str], bytes]:
        # httpx's time-outs are for each read; a server that sends a byte now and then would pass them all.
        timeout_s = attempts.timeout_s(time.monotonic())
        ends = time.monotonic() + timeout_s
        parts = []
        with self._http.stream("POST", attempts.url, content=attempts.body, timeout=timeout_s) as answer:
            for part in answer.iter_bytes():
                parts.append(part)
                if time.monotonic() > ends:
                    raise TimeoutError(f"the answer was not complete after {timeout_s:g} s")
        return answer.status_code, answer.headers, b"".join(parts)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncChatClient(_Requests):
    """`ChatClient`, awaited; for one event loop."""

    def __init__(self, base_url: str, model: str, **options: Any) -> None:
        super().__init__(base_url, model, **options)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=128)
        self._http = httpx.AsyncClient(
            headers=self.options.headers, limits=limits, trust_env=self.options.trust_env, verify=_tls()
        )

    async def chat(
        self, messages: Sequence[Message | Mapping[str, Any]], *, tools: Sequence[Tool] = (), **fields: Any
    ) -> Completion:
        """See `ChatClient.chat`."""
        return await self._send(self._chat(messages, tools, fields))

    async def complete(self, prompt: str, **fields: Any) -> Completion:
        """See `ChatClient.complete`."""
        return await self._send(self._attempts("/completions", {"prompt": prompt, **fields}))

    async def _send(self, attempts: Attempts) -> Completion:
        while True:
            timeout_s = attempts.timeout_s(time.monotonic())
            try:
                async with asyncio.timeout(timeout_s):
                    answer = await self._http.post(attempts.url, content=attempts.body, timeout=timeout_s)
            except (httpx.RequestError, TimeoutError) as error:
                outcome: Completion | Wait = attempts.unanswered(error, time.monotonic())
            else:
                outcome = attempts.answered(answer.status_code, answer.headers, answer.content, time.monotonic())
            if isinstance(outcome, Completion):
                return outcome
            await asyncio.sleep(outcome)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
