"""What a gateway can be told: above all, which servers stand behind it.

Owns: these settings and reading `PIVOTGYM_UPSTREAMS`. Does not own: finding the replicas behind a name (`upstream`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pivotgym.core.errors import ConfigError
from pivotgym.servers.settings import Listening

UPSTREAMS = "PIVOTGYM_UPSTREAMS"
UPSTREAM_TOKEN_FILE = "PIVOTGYM_UPSTREAM_TOKEN_FILE"
RESERVED = frozenset({"api", "assets", "docs", "health", "metadata", "metrics", "ready", "redoc", "static", "ui", "v1"})
"""First parts of paths that are the gateway's own, now or later."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where a server is; `path` is what its routes stand below, empty as a rule."""

    scheme: str
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


Upstreams = dict[str, tuple[Address, ...]]


def parse_upstreams(text: str) -> Upstreams:
    """Read `NAME=ADDRESS` parts, separated by commas or white space; a name given again gets another address.

    Raises:
        ConfigError: If a part has another shape, a name cannot be one, or an address is no http or https address.
    """
    found: dict[str, list[Address]] = {}
    for part in re.split(r"[,\s]+", text.strip(", \t\r\n")):
        name, equals, address = part.partition("=")
        if not equals:
            raise _bad(f"expected NAME=ADDRESS parts separated by commas, got {part[:100]!r}")
        if not _NAME.fullmatch(name) or name in RESERVED:
            why = "which the gateway keeps for itself" if name in RESERVED else "which is none"
            raise _bad(f"expected a domain's name before '=', got {name[:100]!r}, {why}")
        read = _address(name, address)
        if read not in found.setdefault(name, []):
            found[name].append(read)
    return {name: tuple(addresses) for name, addresses in found.items()}


def _address(name: str, text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(f"{name}: expected an address, got {text[:200]!r}: {error}") from error
    if parts.scheme not in _PORTS or not host or not text.isascii() or not text.isprintable():
        raise _bad(f"{name}: expected an http or https address, got {text[:200]!r}")
    if parts.username is not None or parts.password is not None:
        raise _bad(f"{name}: expected an address without user and password", f"name a file in {UPSTREAM_TOKEN_FILE}")
    if parts.query or parts.fragment:
        raise _bad(f"{name}: expected an address without a query, got {text[:200]!r}")
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def _bad(message: str, hint: str = "e.g. tool_use=http://tool-use:8000,terminal=http://terminal:8000") -> ConfigError:
    return ConfigError(f"{UPSTREAMS}: {message}", hint=hint)


class GatewaySettings(Listening):
    """Settings of a gateway, beside those of `Listening`.

    Attributes:
        upstreams: Addresses by domain; a host's name may stand for several replicas.
        upstream_token_file: File holding the token that the upstreams want; `None` reads the path from
            `PIVOTGYM_UPSTREAM_TOKEN_FILE`, and where that is not set either, the gateway's own token is sent.
        timeout_s: The longest time an upstream may take to begin its answer, or between two parts of it, seconds. The
            upstream's own time-outs are shorter and say more.
        connect_timeout_s: The longest time to connect to an upstream, seconds.
        max_in_flight: Calls passed on at once; one more is refused with `Full`.
        check_s: Time between two looks at all replicas and their names' addresses, seconds.
        runs: Folder of the runs that the page shows; `None` reads `PIVOTGYM_RUNS`.
    """

    upstreams: dict[str, tuple[Address, ...]]
    upstream_token_file: Path | None = None
    timeout_s: float = Field(default=630.0, gt=0, allow_inf_nan=False)
    connect_timeout_s: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    max_in_flight: int = Field(default=20_000, ge=1)
    check_s: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    runs: Path | None = None

    @field_validator("upstreams", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return parse_upstreams(value) if isinstance(value, str) else value
