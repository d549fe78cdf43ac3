"""The gateway's OpenAPI document holds, for its own routes and for those of a domain, and no input makes a 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from documented import assert_documented
from gateways import HTTP, RunningGateway
from run_folders import profiled, write_run
from toy_domain import StoreDomain, make_pivot

from pivotgym.servers.gateway.app import create_gateway
from pivotgym.servers.gateway.settings import GatewaySettings
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

schemathesis = pytest.importorskip("schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytest.importorskip("schemathesis.checks")
LIMITS = Settings(max_sessions=64, idle_timeout_s=2.0, timeout_s=2.0, max_timeout_s=2.0)
API = schemathesis.openapi.from_dict(create_gateway(GatewaySettings.load({"upstreams": "toy=http://h:1"})).openapi())
ROUTES = [found.ok() for found in API.get_all_operations()]
BEYOND_SCHEMAS = [checks.positive_data_acceptance, schemathesis.checks.not_a_server_error]
"""A route may refuse more than a schema can say, and 503 and 504 are answers of their own; 500 is none."""
ASKING = [route for route in ROUTES if route.body or route.query]
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.label)
each_asking_route = pytest.mark.parametrize("route", ASKING, ids=lambda route: route.label)
ALLOWED, FORBIDDEN = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pivots = list(map(make_pivot, range(3)))
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "demo", [profiled(number) for number in range(3)])
    with (
        BackgroundServer(StoreDomain(), pivots=pivots, settings=LIMITS) as one,
        BackgroundServer(StoreDomain(), pivots=pivots, settings=LIMITS) as other,
        RunningGateway(f"toy={one.url},toy={other.url}", runs=runs) as running,
    ):
        yield running.url


def name_what_there_is(case: Any) -> None:
    """Half of the calls go to a domain, a run and a pivot that there are."""
    if "domain" in case.path_parameters and len(str(case.path_parameters["domain"])) % 2:
        case.path_parameters["domain"] = "toy"
    if "run" in case.path_parameters and len(str(case.path_parameters["run"])) % 2:
        case.path_parameters["run"] = "demo"
        if len(str(case.path_parameters.get("pivot_id", ""))) % 2:
            case.path_parameters["pivot_id"] = "toy/a:0"


@each_route
def test_gateways_route_answers_as_documented(url: str, route: Any) -> None:
    assert_documented(url, route, ALLOWED, examples=3, excluded=BEYOND_SCHEMAS, change=name_what_there_is)


@each_asking_route
def test_gateways_route_refuses_as_documented(url: str, route: Any) -> None:
    assert_documented(url, route, FORBIDDEN, examples=3, excluded=BEYOND_SCHEMAS, change=name_what_there_is)


@pytest.mark.slow
@each_route
def test_gateways_route_answers_as_documented_at_length(url: str, route: Any) -> None:
    assert_documented(url, route, ALLOWED, examples=60, excluded=BEYOND_SCHEMAS, change=name_what_there_is)


@pytest.mark.slow
@each_asking_route
def test_gateways_route_refuses_as_documented_at_length(url: str, route: Any) -> None:
    assert_documented(url, route, FORBIDDEN, examples=60, excluded=BEYOND_SCHEMAS, change=name_what_there_is)


def test_document_has_each_route_of_a_domain(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as http:
        paths = set(http.get("/openapi.json").json()["paths"])
        below = {f"/{{domain}}{path}" for path in http.get("/toy/openapi.json").json()["paths"]}

    assert below < paths
    assert {path for path in paths - below if not path.startswith("/ui")} == {
        "/health",
        "/ready",
        "/metadata",
        "/metrics",
    }


def test_document_has_the_twin_of_each_view_of_the_page(url: str) -> None:
    paths = HTTP.get(f"{url}/openapi.json").json()["paths"]
    pivot = "/ui/runs/{run}/pivots/{pivot_id}.json"

    assert {path for path in paths if path.startswith("/ui")} == {
        "/ui.json",
        "/ui/runs.json",
        "/ui/runs/{run}.json",
        "/ui/runs/{run}/pivots.json",
        pivot,
    }
    assert set(paths[pivot]) == {"get", "post"}
