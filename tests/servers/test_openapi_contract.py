"""The served OpenAPI document holds: schemathesis calls every route as it says, and as it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from documented import assert_documented
from toy_domain import StoreDomain, make_pivot

from pivotgym.servers.app import create_app
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

schemathesis = pytest.importorskip("schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytest.importorskip("schemathesis.checks")
LIMITS = Settings(max_sessions=64, idle_timeout_s=2.0, timeout_s=2.0, max_timeout_s=2.0)
API = schemathesis.openapi.from_dict(create_app(StoreDomain()).openapi())
ROUTES = [found.ok() for found in API.get_all_operations()]
BEYOND_SCHEMAS = [checks.positive_data_acceptance, schemathesis.checks.not_a_server_error]
"""A route may refuse more than a schema can say, and 503 and 504 are answers of their own; 500 is none."""
ASKING = [route for route in ROUTES if route.body or route.query]
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.label)
each_asking_route = pytest.mark.parametrize("route", ASKING, ids=lambda route: route.label)
ALLOWED, FORBIDDEN = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def served() -> Iterator[BackgroundServer]:
    with BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3)), settings=LIMITS) as running:
        yield running


@each_route
def test_route_answers_as_documented(served: BackgroundServer, route: Any) -> None:
    assert_documented(served.url, route, ALLOWED, examples=3, excluded=BEYOND_SCHEMAS)


@each_asking_route
def test_route_refuses_as_documented(served: BackgroundServer, route: Any) -> None:
    assert_documented(served.url, route, FORBIDDEN, examples=3, excluded=BEYOND_SCHEMAS)


@pytest.mark.slow
@each_route
def test_route_answers_as_documented_at_length(served: BackgroundServer, route: Any) -> None:
    assert_documented(served.url, route, ALLOWED, examples=60, excluded=BEYOND_SCHEMAS)


@pytest.mark.slow
@each_asking_route
def test_route_refuses_as_documented_at_length(served: BackgroundServer, route: Any) -> None:
    assert_documented(served.url, route, FORBIDDEN, examples=60, excluded=BEYOND_SCHEMAS)
