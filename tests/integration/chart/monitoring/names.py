"""The metrics that the code registers, by the names and with the labels that Prometheus sees."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from twin_operator.adapters.metrics import ModelMetrics, ProcessMetrics, SimulationMetrics

POOL = ("namespace", "pool", "tier")
TASK = ("name", "hostname", "queue_name", "tier")


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


# OF_OTHERS: these are registered by code of their own; where it is there, registries take the place of this list.
OF_OTHERS = (
    *(
        Metric(f"twinops_pool_{name}", "gauge", POOL)
        for name in (
            *("replicas", "ready_replicas", "desired_replicas", "max_replicas", "running_tasks", "drain_seconds"),
            "scaling_active",
        )
    ),
    Metric("twinops_pool_limited", "gauge", (*POOL, "reason")),
    Metric("twinops_pool_scalings_total", "counter", (*POOL, "direction")),
    *(
        Metric(f"twinops_queue_{name}", "gauge", (*POOL, "queue"))
        for name in ("depth", "oldest_seconds", "arrivals_per_second", "seconds_per_task")
    ),
    *(
        Metric(f"celery_task_{state}_total", "counter", TASK)
        for state in ("sent", "received", "started", "succeeded", "failed", "retried", "rejected", "revoked")
    ),
    Metric("celery_task_runtime", "histogram", TASK),
    Metric("celery_task_queue_wait_time", "histogram", TASK),
    Metric("celery_worker_up", "gauge", ("hostname", "tier")),
    Metric("celery_worker_tasks_active", "gauge", ("hostname", "tier")),
    *(
        Metric(f"celery_{name}", "gauge", ("queue_name",))
        for name in ("queue_length", "active_worker_count", "active_process_count", "active_consumer_count")
    ),
    Metric("twinops_dead_letters_total", "counter", ("reason",)),
    Metric("twinops_dead_letters", "gauge", ()),
)


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
        # The library tells the names of labels by nothing public.
        labels = ("version",) if isinstance(collector, Info) else tuple(collector._labelnames)  # noqa: SLF001
        self.metrics.append(Metric(family.name + suffix, kind, labels, family.documentation))


def of_the_operator() -> list[Metric]:
    """Return the metrics of the operator's process."""
    listing = Listing()
    for metrics in (SimulationMetrics, ModelMetrics):
        metrics(listing)
    ProcessMetrics(listing, "0")
    return listing.metrics


def known_series() -> dict[str, frozenset[str]]:
    """Return every name that a query may use, with its labels; what Prometheus itself adds included."""
    series = {"up": frozenset[str]()}
    for metric in (*of_the_operator(), *OF_OTHERS):
        series |= metric.series
    of_targets = frozenset({"namespace", "job", "instance", "pod"})
    return {name: labels | of_targets for name, labels in series.items()}
