"""The command `gateway`.

Owns: its options. Does not own: the gateway (`servers/gateway`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pivotgym.core.errors import ConfigError


def gateway(
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ADDRESS", help="A server by its domain; instead of PIVOTGYM_UPSTREAMS. Repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="Any other than loopback needs PIVOTGYM_TOKEN_FILE.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8080,
    check_s: Annotated[float, typer.Option(help="Seconds between two looks at all servers.")] = 2.0,
    runs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The runs that the page at /ui shows; instead of PIVOTGYM_RUNS."),
    ] = None,
    access_log: Annotated[bool, typer.Option(help="Log each request.")] = False,
) -> None:
    """Serve all domains from one address: each under its name, passed on to the servers of PIVOTGYM_UPSTREAMS."""
    from pivotgym.servers.gateway.settings import UPSTREAMS, GatewaySettings, parse_upstreams

    text = ",".join(upstream) if upstream else os.environ.get(UPSTREAMS, "")
    if not text.strip():
        raise ConfigError(
            f"--upstream, {UPSTREAMS}: expected at least one server, got none",
            hint="e.g. --upstream tool_use=http://127.0.0.1:8000",
        )
    values = {"host": host, "port": port, "check_s": check_s, "runs": runs, "access_log": access_log}
    settings = GatewaySettings.load({**values, "upstreams": parse_upstreams(text)})
    from pivotgym.servers.gateway.app import serve_gateway

    serve_gateway(settings)
