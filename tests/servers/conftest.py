"""A real server of the toy domain on loopback, shared by a module's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from toy_domain import StoreDomain, make_pivot

Serving = Callable[..., BackgroundServer]


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    """A server with five pivots, `toy/a:0` to `toy/a:4`."""
    settings = Settings(max_batch=50, max_body_bytes=200_000, threads=4)
    with BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(5)), settings=settings) as running:
        yield running


@pytest.fixture
def client(server: BackgroundServer) -> Iterator[Client]:
    with Client(server.url, retries=0) as made:
        yield made


@pytest.fixture
def http(server: BackgroundServer) -> Iterator[httpx.Client]:
    """A plain HTTP client, to see what is on the wire."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as made:
        yield made


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Starts servers with settings of the test's own; all are stopped after it."""
    started: list[BackgroundServer] = []

    def start(domain: Any = None, **settings: Any) -> BackgroundServer:
        pivots = map(make_pivot, range(2))
        made = BackgroundServer(domain or StoreDomain(), pivots=pivots, settings=Settings(**settings))
        started.append(made)
        return made.start()

    yield start
    for made in started:
        made.stop()
