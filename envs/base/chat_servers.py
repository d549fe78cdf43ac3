"""Language models that an environment asks: a judge of messages, a simulated user.

Owns: the settings of such a server, whether it is up, and asking it once. Does not own: what is asked
(`envs.base.judges`, and the domains' users), the file of answers (`envs.base.answers`), the protocol (`core.chat_api`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field

from pivotgym.core.canonical import digest
from pivotgym.core.chat_api import ChatClient
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.base.answers import AnswerCache

Read = TypeVar("Read")
PROBE_TIMEOUT_S = 3.0
PROBE_KEPT_S = 5.0


class ChatServer(BaseModel):
    """An OpenAI-compatible server and a model on it.

    Attributes:
        base_url: Its address up to and with `/v1`.
        model: The model's name there.
        api_key_env: Environment variable that holds the API key; an open server needs none.
        api_key_file: File that holds it instead.
        timeout_s: Time-out of one try, seconds.
        retries: Further tries after the first.
        deadline_s: Seconds for one answer with all its tries.
        cache: File in which answers are kept; by default in the cache folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    model: str = Field(min_length=1)
    api_key_env: str | None = None
    api_key_file: Path | None = None
    timeout_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    retries: int = Field(default=2, ge=0)
    deadline_s: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    cache: Path | None = None

    def client(self) -> ChatClient:
        """A client for it.

        Raises:
            ConfigError: If the address is none, or the key is not where it should be.
        """
        return ChatClient(
            self.base_url,
            self.model,
            api_key_env=self.api_key_env,
            api_key_file=self.api_key_file,
            timeout_s=self.timeout_s,
            retries=self.retries,
            deadline_s=self.deadline_s,
        )


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
