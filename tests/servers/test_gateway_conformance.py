"""What holds of a server to its clients holds through a gateway: the servers' own tests, run again through one."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gateways import RunningGateway
from test_client_live import *  # noqa: F403
from test_idempotent_calls import *  # noqa: F403
from test_routes_pivots import *  # noqa: F403
from test_routes_sessions import *  # noqa: F403
from test_routes_verify import *  # noqa: F403
from toy_domain import StoreDomain, make_pivot

from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    """A gateway before a server as the servers' tests expect it, in that server's place."""
    settings = Settings(max_batch=50, max_body_bytes=200_000, threads=4)
    with (
        BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(5)), settings=settings) as behind,
        RunningGateway(f"toy={behind.url}", max_body_bytes=200_000) as gateway,
    ):
        yield SimpleNamespace(url=f"{gateway.url}/toy", pid=behind.pid)


# What is not about a server that a client talks to, and what a gateway says in words of its own.
del test_async_unreachable  # noqa: F821
del test_batch_larger_than_one_call_is_split  # noqa: F821
del test_calls_survive_a_restart_of_the_server  # noqa: F821
del test_importing_the_client_loads_no_server_and_no_heavy_library  # noqa: F821
del test_nobody_there_is_unreachable  # noqa: F821
del test_session_nobody_made_is_404  # noqa: F821
del test_step_survives_a_dropped_connection  # noqa: F821
