"""Prometheus metrics of one server, in a registry of its own.

Owns: which figures there are. Does not own: where they are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from pivotgym.servers.peers import inside

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
        """Count an answered request; not one that another worker passed on, which counts it itself."""
        if inside():
            return
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


_SAME_EVERYWHERE = frozenset({"pivotgym_pivots"})


class _Sum(Collector):
    """Adds up pages; each page's figures get that page's labels beside their own."""

    def __init__(self, pages: Sequence[tuple[Mapping[str, str], bytes]]) -> None:
        self._pages = pages

    def collect(self) -> Iterable[Metric]:
        found: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for added, page in self._pages:
            for family in text_string_to_metric_families(page.decode()):
                found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                sums = values.setdefault(family.name, {})
                for sample in family.samples:
                    key = (sample.name, (*added.items(), *sample.labels.items()))
                    sums[key] = _together(sample.name, sums[key], sample.value) if key in sums else sample.value
        for name, metric in found.items():
            for (sample_name, labels), value in values[name].items():
                metric.add_sample(sample_name, dict(labels), value)
            yield metric


def _together(name: str, one: float, other: float) -> float:
    if name.endswith("_created"):
        return min(one, other)
    return max(one, other) if name in _SAME_EVERYWHERE else one + other


def summed(pages: Sequence[bytes]) -> bytes:
    """One page for those of several workers: figures are added up, and `pivotgym_workers` says how many there are."""
    registry = CollectorRegistry()
    registry.register(_Sum([({}, page) for page in pages]))
    Gauge("pivotgym_workers", "Worker processes that answer.", registry=registry).set(len(pages))
    return generate_latest(registry)


def summed_by(pages: Sequence[tuple[Mapping[str, str], bytes]]) -> bytes:
    """One page for those of several servers: figures with the same labels, those given here included, are added up."""
    registry = CollectorRegistry()
    registry.register(_Sum(pages))
    return generate_latest(registry)
