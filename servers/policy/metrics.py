"""Prometheus metrics of one policy server, in a registry of its own.

Owns: which figures there are. Does not own: where they are counted.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class PolicyMetrics:
    """Counters of one policy server."""

    def __init__(self) -> None:
        self._registry = made = CollectorRegistry()
        self._requests = Counter("pivotgym_policy_requests", "Requests.", ["route", "status"], registry=made)
        self._latency = Histogram(
            "pivotgym_policy_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=made
        )
        self._errors = Counter("pivotgym_policy_errors", "Errors by code.", ["code"], registry=made)
        self._sizes = Histogram(
            "pivotgym_policy_batch_requests", "Requests worked at side by side.", buckets=_REQUESTS, registry=made
        )
        self._tokens = Counter("pivotgym_policy_tokens", "Tokens sampled.", registry=made)
        self._busy = Counter("pivotgym_policy_busy_seconds", "Time in which the engine worked.", registry=made)
        self._refreshes = Counter("pivotgym_policy_refreshes", "Newer weights taken.", ["ok"], registry=made)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Publish a figure that is read when the metrics are."""
        Gauge(f"pivotgym_policy_{name}", text, registry=self._registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def error(self, code: str) -> None:
        """Count an error."""
        self._errors.labels(code).inc()

    def batch(self, requests: int, tokens: int, seconds: float) -> None:
        """Count a batch."""
        self._sizes.observe(requests)
        self._tokens.inc(tokens)
        self._busy.inc(seconds)

    def refreshed(self, *, ok: bool) -> None:
        """Count newer weights."""
        self._refreshes.labels(str(ok).lower()).inc()

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
