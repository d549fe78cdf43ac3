"""What a server can be told, and the tokens it was given.

Owns: the settings, their limits, and reading the token files. Does not own: how tokens are checked (`auth`), or where
settings come from (`cli`).
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import describe

TOKEN_FILE = "PIVOTGYM_TOKEN_FILE"
REWARD_TOKEN_FILE = "PIVOTGYM_REWARD_TOKEN_FILE"


class Listening(BaseModel):
    """Where and how any of our servers listens.

    Attributes:
        host: Address to bind; any but a loopback address needs a token.
        port: Port to bind; 0 takes a free one.
        token_file: File holding the bearer token; `None` reads the path from `PIVOTGYM_TOKEN_FILE`.
        reward_token_file: File holding the token of `/reward/{token}`; `None` reads `PIVOTGYM_REWARD_TOKEN_FILE`.
        max_body_bytes: Size of a request's body.
        max_header_bytes: Size of a request's address and headers.
        receive_timeout_s: Time in which the whole of a request must have come, seconds.
        access_log: Whether each request is logged (tokens redacted).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token_file: Path | None = None
    reward_token_file: Path | None = None
    max_body_bytes: int = Field(default=32 * 2**20, ge=1)
    max_header_bytes: int = Field(default=32 * 2**10, ge=1024)
    receive_timeout_s: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    access_log: bool = False

    @classmethod
    def load(cls, values: dict[str, Any]) -> Self:
        """Check values from a file, flags or another process.

        Raises:
            ConfigError: If a setting is unknown or has a value it cannot have; names it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"server settings: {describe(error)}") from error


class Settings(Listening):
    """Settings of one environment server, beside those of `Listening`.

    Attributes:
        max_waiting: Calls that may wait for a thread; one more is refused with `Full`.
        max_sessions: Sessions alive at once; one more is refused with `Full`.
        idle_timeout_s: Seconds without a call after which a session is closed.
        workers: Processes that serve; more than one needs a domain given by name.
        threads: Threads that run worlds, per process.
        max_states: Restored states kept for reuse.
        max_batch: Actions in one `/verify/batch` call.
        max_pivots: Pivots this server knows.
        max_origin_bytes: Size, as JSON, of an origin that a client sends.
        timeout_s: Time-out of a call that names none, seconds.
        max_timeout_s: The longest time-out a call may name, seconds.
        reward_format: Text format in which `/reward` reads actions.
        nemo_gym_rule: The rule of `/nemo_gym/verify`: ours, or one of NeMo Gym's own (`nemo_gym.NAME?option=value`).
        sources: Folders or files from which origins are rebuilt, by name; see `envs.base.sources`.
        judge: The language model that decides on messages where the rule is not certain; `None` for the rule alone.
        user: The language model that plays the users of tasks; `None` for the domain's scripted users.
    """

    max_waiting: int = Field(default=4096, ge=1)
    max_sessions: int = Field(default=256, ge=1)
    idle_timeout_s: float = Field(default=900.0, gt=0, allow_inf_nan=False)
    workers: int = Field(default=1, ge=1, le=256)
    threads: int = Field(default=8, ge=1)
    max_states: int = Field(default=512, ge=1)
    max_batch: int = Field(default=4096, ge=1)
    max_pivots: int = Field(default=100_000, ge=1)
    max_origin_bytes: int = Field(default=64 * 2**10, ge=1)
    timeout_s: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    max_timeout_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    reward_format: str = "hermes"
    nemo_gym_rule: str = "functional"
    sources: dict[str, Path] = Field(default_factory=dict)
    judge: ChatServer | None = None
    user: ChatServer | None = None

    def limits(self) -> dict[str, float]:
        """The limits a client should know, as `/metadata` publishes them."""
        sizes = (
            "max_sessions",
            "max_waiting",
            "max_body_bytes",
            "max_header_bytes",
            "max_batch",
            "max_pivots",
            "max_origin_bytes",
        )
        times = ("idle_timeout_s", "receive_timeout_s", "timeout_s", "max_timeout_s")
        return {name: getattr(self, name) for name in (*sizes, *times)}


class Tokens(NamedTuple):
    """The bearer token of all routes and the token of `/reward/{token}`; `None` where there is none."""

    bearer: str | None
    reward: str | None


def read_tokens(settings: Listening) -> Tokens:
    """Read the token files.

    Raises:
        ConfigError: If a file cannot be read or is empty, or a bind that is not loopback has no token.
    """
    bearer = read_token(settings.token_file, TOKEN_FILE)
    if bearer is None and not is_loopback(settings.host):
        raise ConfigError(
            f"host: {settings.host!r} can be reached from other machines, and no bearer token is set",
            hint=f"write a token to a file and name it in {TOKEN_FILE}, or bind 127.0.0.1",
        )
    return Tokens(bearer, read_token(settings.reward_token_file, REWARD_TOKEN_FILE))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path | None, variable: str) -> str | None:
    """The token in a file, or in the one that an environment variable names; `None` where neither is given.

    Raises:
        ConfigError: If the file cannot be read, or holds something else than one token.
    """
    name = str(path) if path is not None else os.environ.get(variable)
    if not name:
        return None
    try:
        token = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{variable}: expected a readable text file, got {name}: {error}") from error
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{variable}: expected one token of printable ASCII in {name}, found something else")
    return token
