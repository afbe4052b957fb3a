"""Metrics of worker pools and their queues, for Prometheus; labels are namespace, name and tier of the WorkerPool."""

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from twin_operator.domain.scaling import Limit
from twin_operator.services.pools.ports import Key, PoolGauges, QueueGauges

POOL: Final = ("namespace", "pool", "tier")
GAUGES: Final = {
    "replicas": "Workers there are.",
    "ready_replicas": "Workers that are ready.",
    "desired_replicas": "Workers wanted now.",
    "max_replicas": "Workers at most.",
    "running_tasks": "Tasks being done now.",
    "drain_seconds": "Seconds until what waits has been taken up, with the workers wanted.",
}
QUEUE_GAUGES: Final = {
    "depth": "Tasks that wait, over all priorities.",
    "oldest_seconds": "Seconds that the oldest of them has waited.",
    "arrivals_per_second": "Tasks that arrive, smoothed.",
    "seconds_per_task": "Seconds that a task takes, smoothed.",
}


class PoolMetrics:
    """The metrics of pools.

    Args:
        registry: of Prometheus.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._pool = {
            name: Gauge(f"twinops_pool_{name}", text, POOL, registry=registry) for name, text in GAUGES.items()
        }
        self._queue = {
            name: Gauge(f"twinops_queue_{name}", text, (*POOL, "queue"), registry=registry)
            for name, text in QUEUE_GAUGES.items()
        }
        self._active = Gauge(
            "twinops_pool_scaling_active",
            "1 while the queues of an autoscaled pool can be read.",
            POOL,
            registry=registry,
        )
        self._limited = Gauge(
            "twinops_pool_limited",
            "1 while a pool may not have the workers that its queues ask for.",
            (*POOL, "reason"),
            registry=registry,
        )
        self._scalings = Counter(
            "twinops_pool_scalings",
            "Changes of the number of workers wanted.",
            (*POOL, "direction"),
            registry=registry,
        )
        self._exported: dict[Key, PoolGauges] = {}

    def pool(self, key: Key, gauges: PoolGauges) -> None:
        """Set the gauges of a pool; series that it no longer has are removed."""
        before = self._exported.get(key)
        if before is not None and _series(before) != _series(gauges):
            self.forget_pool(key)
        self._exported[key] = gauges
        labels = *key, gauges.tier
        for name, value in _values(gauges).items():
            self._pool[name].labels(*labels).set(value)
        if gauges.scaling_active is not None:
            self._active.labels(*labels).set(gauges.scaling_active)
            for limit in Limit:
                self._limited.labels(*labels, limit.value).set(gauges.limit is limit)
        for queue in gauges.queues:
            for name, value in _queue_values(queue).items():
                self._queue[name].labels(*labels, queue.name).set(value)

    def scaled(self, key: Key, tier: str, direction: str) -> None:
        """Count a change of the number of workers."""
        self._scalings.labels(*key, tier, direction).inc()

    def forget_pool(self, key: Key) -> None:
        """Remove the gauges of a pool that is gone; counters stay."""
        if self._exported.pop(key, None) is None:
            return
        labels = dict(zip(POOL, key, strict=False))
        for gauge in (*self._pool.values(), *self._queue.values(), self._active, self._limited):
            gauge.remove_by_labels(labels)


def _series(gauges: PoolGauges) -> tuple[str, bool, tuple[str, ...]]:
    """Return what decides which series there are."""
    return gauges.tier, gauges.scaling_active is None, tuple(queue.name for queue in gauges.queues)


def _values(gauges: PoolGauges) -> dict[str, float]:
    return {
        "replicas": gauges.replicas.current,
        "ready_replicas": gauges.replicas.ready,
        "desired_replicas": gauges.replicas.desired,
        "max_replicas": gauges.max_replicas,
        "running_tasks": gauges.running,
        "drain_seconds": gauges.drain_seconds,
    }


def _queue_values(queue: QueueGauges) -> dict[str, float]:
    return {
        "depth": queue.depth,
        "oldest_seconds": queue.oldest_seconds,
        "arrivals_per_second": queue.arrivals_per_second,
        "seconds_per_task": queue.seconds_per_task,
    }
