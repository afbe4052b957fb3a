"""Metrics of worker pools and their queues, for Prometheus; labels are namespace, name and tier of the WorkerPool."""

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from twin_operator.services.pools.ports import Key, PoolFigures, QueueFigures

POOL: Final = ("namespace", "pool", "tier")
LIMITS: Final = ("TooManyTasks", "TooFewTasks")
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
    """The figures of pools.

    Args:
        registry: where they are shown from.
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
        self._shown: dict[Key, PoolFigures] = {}

    def pool(self, key: Key, figures: PoolFigures) -> None:
        """Show a pool as it is now; what it no longer has is shown no more."""
        before = self._shown.get(key)
        if before is not None and _series(before) != _series(figures):
            self.forget_pool(key)
        self._shown[key] = figures
        labels = *key, figures.tier
        for name, value in _values(figures).items():
            self._pool[name].labels(*labels).set(value)
        if figures.scaling_active is not None:
            self._active.labels(*labels).set(figures.scaling_active)
            for reason in LIMITS:
                self._limited.labels(*labels, reason).set(figures.limited == reason)
        for queue in figures.queues:
            for name, value in _queue_values(queue).items():
                self._queue[name].labels(*labels, queue.name).set(value)

    def scaled(self, key: Key, tier: str, direction: str) -> None:
        """Count a change of the number of workers wanted."""
        self._scalings.labels(*key, tier, direction).inc()

    def forget_pool(self, key: Key) -> None:
        """Show nothing of a pool that is gone; counters stay, as counters do."""
        if self._shown.pop(key, None) is None:
            return
        labels = dict(zip(POOL, key, strict=False))
        for gauge in (*self._pool.values(), *self._queue.values(), self._active, self._limited):
            gauge.remove_by_labels(labels)


def _series(figures: PoolFigures) -> tuple[str, bool, tuple[str, ...]]:
    """Return what decides which series there are."""
    return figures.tier, figures.scaling_active is None, tuple(queue.name for queue in figures.queues)


def _values(figures: PoolFigures) -> dict[str, float]:
    return {
        "replicas": figures.replicas,
        "ready_replicas": figures.ready,
        "desired_replicas": figures.desired,
        "max_replicas": figures.most,
        "running_tasks": figures.running,
        "drain_seconds": figures.drain_seconds,
    }


def _queue_values(queue: QueueFigures) -> dict[str, float]:
    return {
        "depth": queue.depth,
        "oldest_seconds": queue.oldest_seconds,
        "arrivals_per_second": queue.arrivals_per_second,
        "seconds_per_task": queue.seconds_per_task,
    }
