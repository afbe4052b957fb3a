"""Metrics of a process: does it lead, does Redis answer, how long are reconciliations, which version; dead letters."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

# Seconds: a reconciliation is a few requests; what takes long waits for an API server, a registry or an archive.
DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ProcessMetrics:
    """The figures of the process.

    Args:
        registry: where they are shown from.
        version: of this package.
    """

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        Info("twinops_build", "Version of the operator.", registry=registry).info({"version": version})
        self._leader = gauge("twinops_leader", "1 while this process leads.")
        self._redis = gauge("twinops_redis_up", "1 while Redis answers; only the leader asks, a standby shows 0.")
        self._reconciles = counter(
            "twinops_reconciles", "Reconciliations, by kind; result is ok or error.", ("kind", "result")
        )
        self._duration = histogram(
            "twinops_reconcile_duration_seconds", "Time that a reconciliation took.", ("kind",), buckets=DURATIONS
        )
        self._retries = counter(
            "twinops_api_retries",
            "Requests to the API server that were sent again; status 0: it did not answer.",
            ("method", "status"),
        )

    def leading(self, *, leads: bool) -> None:
        """Show whether this process leads."""
        self._leader.set(leads)

    def redis(self, *, reachable: bool) -> None:
        """Show whether Redis answers."""
        self._redis.set(reachable)

    def reconciled(self, kind: str, seconds: float, *, failed: bool) -> None:
        """Count a reconciliation."""
        self._reconciles.labels(kind, "error" if failed else "ok").inc()
        self._duration.labels(kind).observe(seconds)

    def api_retried(self, method: str, status: int) -> None:
        """Count a request that is sent again."""
        self._retries.labels(method, str(status)).inc()


def bad_record_counter(kinds: Iterable[str], registry: CollectorRegistry) -> Callable[[str], None]:
    """Return what counts a record in Redis that cannot be read, by its kind; each is shown from the start."""
    counter = Counter(
        "twinops_bad_records",
        "Records in Redis that could not be read and were dropped, by kind.",
        ("kind",),
        registry=registry,
    )
    for kind in kinds:
        counter.labels(kind)
    return lambda kind: counter.labels(kind).inc()


def dead_letter_counter(reasons: Iterable[str], registry: CollectorRegistry) -> Callable[[str], None]:
    """Return what counts a dead letter by its reason; each is shown from the start, so that the first one is a rise."""
    counter = Counter(
        "twinops_dead_letters", "Messages that could not be processed, by reason.", ("reason",), registry=registry
    )
    for reason in reasons:
        counter.labels(reason)
    return lambda reason: counter.labels(reason).inc()
