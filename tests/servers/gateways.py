"""Gateways for tests: real ones, before real servers."""

from __future__ import annotations

import time
from typing import Any

import httpx

from pivotgym.servers.client import Client
from pivotgym.servers.gateway.app import create_gateway
from pivotgym.servers.gateway.settings import GatewaySettings
from pivotgym.servers.running import OnThread, uvicorn_server

HTTP = httpx.Client(trust_env=False, verify=False, timeout=20)
"""One client for requests without state: making one for each would cost more than the requests do."""


class RunningGateway:
    """A gateway on a free loopback port for as long as a `with` block lasts.

    Args:
        upstreams: As in `PIVOTGYM_UPSTREAMS`.
        wait: Whether to wait until all upstreams are ready.
        settings: Further settings of the gateway.
    """

    def __init__(self, upstreams: str, *, wait: bool = True, **settings: Any) -> None:
        read = GatewaySettings.load({"port": 0, "check_s": 0.1, "upstreams": upstreams, **settings})
        self._server = OnThread(lambda: uvicorn_server(create_gateway(read), read), read)
        self.url = self._server.url
        self._wait = wait

    def __enter__(self) -> RunningGateway:
        if self._wait:
            with Client(self.url) as client:
                client.wait_ready(20)
        else:
            _until_it_listens(self.url)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop()


def _until_it_listens(url: str) -> None:
    ends = time.monotonic() + 20
    while True:
        try:
            HTTP.get(f"{url}/health")
            return
        except httpx.ConnectError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)
