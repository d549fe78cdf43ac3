"""One scripted engine and one server over it, for the tests that need none of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scripted_policy import Scripted, serve


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Scripted, httpx.Client]]:
    engine = Scripted()
    http, stop = serve(engine)
    yield engine, http
    stop()


@pytest.fixture
def engine(shared: tuple[Scripted, httpx.Client]) -> Iterator[Scripted]:
    engine, _ = shared
    engine.begin_again()
    yield engine
    engine.may_work.set()


@pytest.fixture
def http(shared: tuple[Scripted, httpx.Client], engine: Scripted) -> httpx.Client:
    return shared[1]
