"""The gateway's own figures; those of the servers behind it stand beside them, added up by domain.

Owns: which figures there are. Does not own: where they are counted (`passing`), or the servers' figures
(`servers.metrics`).
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pivotgym.servers.gateway.upstream import Upstream

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_OWN = "gateway"
"""In the place of a domain, for what the gateway answers itself."""


class _Replicas(Collector):
    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        states = GaugeMetricFamily("pivotgym_gateway_replicas", "Servers by state.", labels=["domain", "state"])
        busy = GaugeMetricFamily("pivotgym_gateway_in_flight", "Calls being passed on.", labels=["domain"])
        again = CounterMetricFamily("pivotgym_gateway_retries", "Calls sent to a second server.", labels=["domain"])
        for name, upstream in self._upstreams.items():
            replicas = list(upstream.replicas.values())
            for state, count in Count(replica.state for replica in replicas).items():
                states.add_metric([name, state], count)
            busy.add_metric([name], sum(replica.in_flight for replica in replicas))
            again.add_metric([name], upstream.retries)
        yield from (states, busy, again)


class GatewayMetrics:
    """Counters of one gateway. Routes are labelled by template, domains by the name of a known upstream.

    Args:
        upstreams: What is behind it, by name.
    """

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pivotgym_gateway_requests",
            "Requests by domain, route and status.",
            ["domain", "route", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "pivotgym_gateway_request_seconds",
            "Time to answer.",
            ["domain", "route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._errors = Counter(
            "pivotgym_gateway_errors", "The gateway's own errors by code.", ["code"], registry=self._registry
        )
        self._registry.register(_Replicas(upstreams))

    def passed(self, domain: str, route: str, status: int, seconds: float) -> None:
        """Count a call to a domain."""
        self._requests.labels(domain, route, str(status)).inc()
        self._latency.labels(domain, route).observe(seconds)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that the gateway answered itself."""
        self.passed(_OWN, route, status, seconds)

    def error(self, code: str) -> None:
        """Count an error of the gateway's own."""
        self._errors.labels(code).inc()

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
