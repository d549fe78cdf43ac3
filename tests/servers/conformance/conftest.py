"""The suite against a domain object or an address, on loopback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pivotgym.envs.base.contract import Domain
from pivotgym.servers.conformance.findings import Result
from pivotgym.servers.conformance.subject import Subject
from pivotgym.servers.conformance.suite import chosen, run
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from broken_server import Broken, BrokenServer
from sound_domain import ShelfDomain

Checking = Callable[..., dict[str, Result]]


SETTINGS = Settings(max_sessions=8, threads=2)


@pytest.fixture(scope="session")
def sound() -> Iterator[BackgroundServer]:
    """A server of the sound domain, for tests that break something before it."""
    with BackgroundServer(ShelfDomain(), settings=SETTINGS) as server:
        yield server


@pytest.fixture
def checking(sound: BackgroundServer) -> Iterator[Checking]:
    """Makes checks of a domain, or of the sound one through a server that is broken; results by name."""
    with ExitStack() as stack:

        def check(
            domain: Domain | None = None, *names: str, broken: Broken | None = None, **fields: object
        ) -> dict[str, Result]:
            url = str(fields.pop("url", sound.url))
            if domain is not None:
                url = stack.enter_context(BackgroundServer(domain, settings=SETTINGS)).url
            if broken is not None:
                url = stack.enter_context(BrokenServer(url, broken)).url
            served = domain or ShelfDomain()
            tasks = [task.id for task in served.tasks()]
            made = Subject(url, list(served.pivots()), tasks, domain=served, **{"sessions": 12, **fields})
            stack.callback(made.close)
            return {result.check.name: result for result in run(made, chosen(names))}

        yield check
