"""Metrics: what Prometheus is told, under `advisor_`; nothing in it is of any one tenant.

What requests take is counted by this process. Calibrations, legs and workers are counted in the
database when they are asked for, so that it is told of all workers and survives a restart.
"""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from store.engine import Store

REQUEST_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
LEG_BOUNDS_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


class Metrics:
    """One per server; nothing is global."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._request_seconds = Histogram(
            "advisor_request_seconds",
            "Seconds from the first byte asked to the last one answered",
            ("operation", "status"),
            buckets=REQUEST_BOUNDS_SECONDS,
            registry=self._registry,
        )

    def count_request(self, operation: str, status: int, seconds: float) -> None:
        """Count a request; `operation` is one of ours, so that there are only so many."""
        self._request_seconds.labels(operation, status).observe(seconds)

    def page(self, store: Store, dead_after_seconds: float) -> bytes:
        """Everything in the text format of Prometheus; reads the database."""
        stored = CollectorRegistry()
        stored.register(_Stored(store, dead_after_seconds))
        return generate_latest(self._registry) + generate_latest(stored)


class _Stored(Collector):
    """What the database holds, counted."""

    def __init__(self, store: Store, dead_after_seconds: float) -> None:
        self._totals, self._dead_after_seconds = store.totals, dead_after_seconds

    def describe(self) -> Sequence[HistogramMetricFamily]:
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        open_ = GaugeMetricFamily(
            "advisor_calibrations",
            "Calibrations that wait (queued) or run",
            labels=("device_tag", "status"),
        )
        for (tag, status), n in self._totals.open_calibrations().items():
            open_.add_metric((tag, status), n)
        yield open_
        workers = GaugeMetricFamily("advisor_workers", "Workers whose heart beats", labels=("tag",))
        for tag, n in self._totals.live_workers(self._dead_after_seconds).items():
            workers.add_metric((tag,), n)
        yield workers
        legs = HistogramMetricFamily(
            "advisor_leg_seconds", "Wall-clock seconds of the legs told", labels=("outcome",)
        )
        for total in self._totals.legs(LEG_BOUNDS_SECONDS):
            bounds = [*map(str, LEG_BOUNDS_SECONDS), "+Inf"]
            buckets = list(zip(bounds, [*total.n_up_to, total.n_legs], strict=True))
            legs.add_metric((total.outcome,), buckets, total.wall_seconds)
        yield legs
