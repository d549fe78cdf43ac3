"""Prometheus metrics of one server, in a registry of its own.

Owns: which figures there are. Does not own: where they are counted.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters of one server. Routes are labelled by template, so that no id or token becomes a label."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pivotgym_requests", "Requests by route and status.", ["route", "status"], registry=self._registry
        )
        self._latency = Histogram(
            "pivotgym_request_seconds", "Time to answer.", ["route"], buckets=_BUCKETS, registry=self._registry
        )
        self._verdicts = Counter(
            "pivotgym_verdicts", "Verdicts by outcome.", ["outcome", "executed"], registry=self._registry
        )
        self._errors = Counter("pivotgym_errors", "Errors by code.", ["code"], registry=self._registry)
        self._by_request: dict[tuple[str, int], Counter] = {}
        self._by_route: dict[str, Histogram] = {}
        self._by_verdict: dict[tuple[str, bool], Counter] = {}

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Publish a figure that is read when the metrics are."""
        Gauge(f"pivotgym_{name}", text, registry=self._registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        child = self._by_request.get((route, status))
        if child is None:
            child = self._by_request[route, status] = self._requests.labels(route, str(status))
        child.inc()
        timed = self._by_route.get(route)
        if timed is None:
            timed = self._by_route[route] = self._latency.labels(route)
        timed.observe(seconds)

    def verdict(self, outcome: str, executed: bool) -> None:
        """Count a verdict."""
        child = self._by_verdict.get((outcome, executed))
        if child is None:
            child = self._by_verdict[outcome, executed] = self._verdicts.labels(outcome, str(executed).lower())
        child.inc()

    def error(self, code: str) -> None:
        """Count an error, also one inside a batch."""
        self._errors.labels(code).inc()

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
