"""Settings of an OpenAI-compatible chat server, as servers' and runs' configurations name one.

Owns: the fields, their limits, and reading them from `NAME=VALUE`. Does not own: talking to it (`core/chat_api`), or
what is asked (judges, users).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pivotgym.core.chat_api import ChatClient
from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import describe


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


def parse_chat_server(option: str, pairs: Iterable[str]) -> ChatServer | None:
    """Read a server from the `NAME=VALUE` of a repeatable command-line option; `None` where it was not given.

    Raises:
        ConfigError: If an item has no `=`, or a field is unknown, missing or has a value it cannot have.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{option}: expected NAME=VALUE, got {pair!r}", hint=f"e.g. {option} model=my-model")
        values[name.strip()] = value.strip()
    if not values:
        return None
    try:
        return ChatServer.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{option}: {describe(error)}") from error
