"""Calls of a route as its OpenAPI document allows, or as it does not; for every server that has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings


def assert_documented(
    url: str,
    route: Any,
    mode: Any,
    examples: int,
    *,
    excluded: Sequence[Any],
    change: Callable[[Any], None] = lambda case: None,
) -> None:
    """Fails where an answer is not what the document says, or is a 500.

    Args:
        url: The server.
        route: One of schemathesis' operations.
        mode: What it is allowed, or what it is not.
        examples: Calls.
        excluded: Checks of schemathesis that do not hold of this server.
        change: Done to each case before it is sent.
    """

    @given(case=route.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def call(case: Any) -> None:
        change(case)
        answer = case.call(base_url=url)
        assert answer.status_code != 500
        case.validate_response(answer, excluded_checks=list(excluded))

    call()
