"""The policy server's OpenAPI document holds, and no input makes a 500."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from documented import assert_documented

from pivotgym.core.formats import Format, get_format
from pivotgym.core.policy_server import JobResult, OnResult, SampledText, SampleJob
from pivotgym.servers.policy.app import create_policy_server
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.running import OnThread, uvicorn_server

schemathesis = pytest.importorskip("schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytest.importorskip("schemathesis.checks")


class Echo:
    """An engine that says what it was asked."""

    version, context_length = "v", 10_000

    @property
    def fmt(self) -> Format:
        return get_format("qwen")

    def refresh(self) -> bool:
        return False

    def sample(self, jobs: Sequence[SampleJob], on_result: OnResult) -> None:
        for index, job in enumerate(jobs):
            prompt = (1,) * len(job.prompt)
            said = SampledText(str(job.prompt)[-200:], (1,), (-1.0,), "stop", ("x",) if job.token_texts else ())
            on_result(index, JobResult(prompt, (said,) * job.count, self.version))


SETTINGS = PolicySettings(port=0)
API = schemathesis.openapi.from_dict(create_policy_server(Echo(), SETTINGS).openapi())
ROUTES = [found.ok() for found in API.get_all_operations()]
BEYOND_SCHEMAS = [checks.positive_data_acceptance, checks.negative_data_rejection]
"""A route may refuse more than a schema can say, and takes `null` for what is left out, as OpenAI's clients send it."""
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.label)
each_asking_route = pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.body], ids=lambda route: route.label
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = OnThread(lambda: uvicorn_server(create_policy_server(Echo(), SETTINGS), SETTINGS), SETTINGS)
    yield server.url
    server.stop()


@each_route
def test_policy_servers_route_answers_as_documented(url: str, route: Any) -> None:
    assert_documented(url, route, schemathesis.GenerationMode.POSITIVE, examples=15, excluded=BEYOND_SCHEMAS)


@each_asking_route
def test_policy_servers_route_refuses_as_documented(url: str, route: Any) -> None:
    assert_documented(url, route, schemathesis.GenerationMode.NEGATIVE, examples=15, excluded=BEYOND_SCHEMAS)
