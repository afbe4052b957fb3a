"""The metrics that the code registers, by the names and with the labels that Prometheus sees."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from twin_operator.adapters.metrics import ModelMetrics, ProcessMetrics, SimulationMetrics
from twin_operator.adapters.metrics.celery import CeleryMetrics
from twin_operator.adapters.metrics.pools import PoolMetrics
from twin_operator.adapters.metrics.process import dead_letter_counter
from twin_operator.worker.draining import Draining
from twin_operator.worker.process import show_worker


@dataclass(frozen=True)
class Metric:
    """A metric as documentation has it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str = ""

    @property
    def series(self) -> dict[str, frozenset[str]]:
        """The names that queries use, with the labels of each."""
        own = frozenset(self.labels)
        if self.kind != "histogram":
            return {self.name: own}
        return {f"{self.name}_bucket": own | {"le"}, f"{self.name}_sum": own, f"{self.name}_count": own}


class Listing(CollectorRegistry):
    """A registry that remembers what was registered: a labelled metric shows nothing before its first value."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[Metric] = []

    def register(self, collector: Collector) -> None:
        """Take note of a metric."""
        super().register(collector)
        assert isinstance(collector, MetricWrapperBase)
        (family,) = collector.describe()
        kinds = {Counter: ("_total", "counter"), Gauge: ("", "gauge"), Histogram: ("", "histogram")}
        suffix, kind = kinds.get(type(collector), ("_info", "gauge"))
        # The library has no public way to the names of labels.
        labels = ("version",) if isinstance(collector, Info) else tuple(collector._labelnames)  # noqa: SLF001
        self.metrics.append(Metric(family.name + suffix, kind, labels, family.documentation))


def of_the_operator() -> list[Metric]:
    """Return the metrics of the operator's process."""
    listing = Listing()
    for metrics in (SimulationMetrics, ModelMetrics, PoolMetrics):
        metrics(listing)
    ProcessMetrics(listing, "0")
    return listing.metrics


def of_workers() -> list[Metric]:
    """Return the metrics of a worker."""
    listing = Listing()
    show_worker(listing, Draining(lambda: False))
    dead_letter_counter([], listing)
    return listing.metrics


def of_the_exporter() -> list[Metric]:
    """Return the metrics of the exporter of Celery's events."""
    listing = Listing()
    CeleryMetrics(listing)
    return listing.metrics


def everybodys() -> list[Metric]:
    """Return the metrics of all three."""
    return [*of_the_operator(), *of_workers(), *of_the_exporter()]


def known_series() -> dict[str, frozenset[str]]:
    """Return every name that a query may use, with its labels; what Prometheus itself adds included."""
    series = {"up": frozenset[str]()}
    for metric in everybodys():
        series |= metric.series
    of_targets = frozenset({"namespace", "job", "instance", "pod"})
    return {name: labels | of_targets for name, labels in series.items()}
