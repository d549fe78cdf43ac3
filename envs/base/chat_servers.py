"""Language models that an environment asks: a judge of messages, a simulated user.

Owns: asking such a server each thing once, and whether it is up. Does not own: what is asked (`envs.base.judges`, and
the domains' users), the file of answers (`envs.base.answers`), settings and protocol (`core`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import httpx

from pivotgym.core.canonical import digest
from pivotgym.core.chat_server import ChatServer
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.base.answers import AnswerCache

Read = TypeVar("Read")
PROBE_TIMEOUT_S = 3.0
PROBE_KEPT_S = 5.0


class CachedChat:
    """A chat server whose answers are asked for once: the same model and messages get the same answer ever after.

    Thread-safe. Failures are not kept.

    Args:
        server: The server.
        purpose: Names its file in the cache folder, e.g. `judge`.

    Raises:
        ConfigError: As for `ChatServer.client`.
    """

    def __init__(self, server: ChatServer, purpose: str) -> None:
        self.server = server
        self._client = server.client()
        self._answers = AnswerCache(server.cache or cache_dir() / f"{purpose}.sqlite")
        self._probed: tuple[float, str | None] = (float("-inf"), None)
        self._lock = threading.Lock()

    def ask(self, messages: Sequence[Mapping[str, Any]], read: Callable[[str], Read], **fields: Any) -> Read:
        """What `read` makes of the answer's text.

        Args:
            messages: The conversation.
            read: Reads an answer; raises where it cannot, and then the answer is not kept.
            fields: Further fields of the request.

        Raises:
            PivotGymError: As `ChatClient.chat`, and what `read` raises.
        """
        key = digest({"model": self.server.model, "messages": list(messages), "fields": fields})
        answer = self._answers.get(key)
        if answer is not None:
            return read(answer)
        answer = self._client.chat(messages, **fields).choices[0].message.text
        result = read(answer)
        self._answers.put(key, answer)
        return result

    def down(self) -> str | None:
        """Why the server cannot answer, or `None`; looked up at most every few seconds."""
        with self._lock:
            at, reason = self._probed
            if time.monotonic() - at > PROBE_KEPT_S:
                reason = self._probe()
                self._probed = (time.monotonic(), reason)
            return reason

    def _probe(self) -> str | None:
        options = self._client.options
        url = f"{options.base_url.rstrip('/')}/models"
        try:
            status = httpx.get(
                url, headers=options.headers, timeout=PROBE_TIMEOUT_S, trust_env=options.trust_env
            ).status_code
        except httpx.RequestError as error:
            return f"{url}: {type(error).__name__}"
        return f"{url}: answered with status {status}" if status in (401, 403) or status >= 500 else None

    def describe(self) -> dict[str, str]:
        """What a client may know of it: never the key."""
        return {"base_url": self.server.base_url, "model": self.server.model}

    def close(self) -> None:
        """Close connections and file. Calling it again does nothing."""
        self._client.close()
        self._answers.close()
