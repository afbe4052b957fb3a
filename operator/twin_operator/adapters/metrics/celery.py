"""Celery's tasks, workers and queues as metrics, under the names and labels of the common Celery exporter.

Its dashboards (Grafana 17508 and 17509) work with them; `tier` is an additional label.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from twin_operator.services.task_events import Origin, Presence

TASK: Final = ("name", "hostname", "queue_name", "tier")
COUNTERS: Final = {
    "sent": "Tasks whose message was published.",
    "received": "Tasks that a worker received.",
    "started": "Tasks that a worker began.",
    "succeeded": "Tasks that recorded what they were asked for.",
    "failed": "Tasks whose last attempt failed, or that recorded why they cannot be done.",
    "retried": "Tasks whose attempt failed while others remain.",
    "rejected": "Tasks that were refused: leased by another worker, or done; and those whose process was lost.",
    "revoked": "Tasks that were cancelled, deleted, suspended, or past their deadline.",
}
# Seconds: a quick Simulation takes hundredths, a training minutes, and a queue at zero workers a Pod's start.
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class CeleryMetrics:
    """The figures of the exporter of events.

    Args:
        registry: where they are shown from.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str) -> Histogram:
            return Histogram(name, text, TASK, buckets=BUCKETS, registry=registry)

        self._counters = {
            state: Counter(
                f"celery_task_{state}", text, (*TASK, "exception") if state == "failed" else TASK, registry=registry
            )
            for state, text in COUNTERS.items()
        }
        self._runtime = histogram("celery_task_runtime", "Seconds that tasks ran that succeeded.")
        self._wait = histogram("celery_task_queue_wait_time", "Seconds between a task's sending and its start.")
        self._up = gauge("celery_worker_up", "1 while a worker's heartbeat is heard.", "hostname", "tier")
        self._active = gauge("celery_worker_tasks_active", "Tasks that a worker runs.", "hostname", "tier")
        self._length = gauge("celery_queue_length", "Messages in a queue, over its priorities.", "queue_name")
        self._workers = gauge("celery_active_worker_count", "Workers that serve a queue.", "queue_name")
        self._processes = gauge("celery_active_process_count", "Processes that serve a queue.", "queue_name")
        self._consumers = gauge("celery_active_consumer_count", "Consumers of a queue; one a worker.", "queue_name")
        self._connected = gauge("twinops_events_connected", "1 while events are received from Redis.")
        self._connected.set(0)
        self._reconnects = Counter("twinops_events_reconnects", "Times that Redis came back.", registry=registry)
        self._unreadable = Counter("twinops_events_unreadable", "Messages that are no events.", registry=registry)

    def count(self, state: str, origin: Origin, error: str) -> None:
        """Count an event. A worker's other counters begin at zero then: a rate needs a first value."""
        for each in COUNTERS if state != "sent" else ():
            self._child(each, origin, "")
        self._child(state, origin, error).inc()

    def waited(self, origin: Origin, seconds: float) -> None:
        """Record a time in queue."""
        self._wait.labels(**_labels(origin)).observe(seconds)

    def ran(self, origin: Origin, seconds: float) -> None:
        """Record the run time of a task that succeeded."""
        self._runtime.labels(**_labels(origin)).observe(seconds)

    def worker(self, hostname: str, presence: Presence) -> None:
        """Show a worker. One that left is not down: nothing is shown of it; its counters stay until it is forgotten."""
        for each in (self._up, self._active):
            _drop(each, hostname)
        if presence.state != "left":
            self._up.labels(hostname, presence.tier).set(presence.state == "up")
            self._active.labels(hostname, presence.tier).set(presence.active)

    def served(self, queues: Mapping[str, Collection[Presence]]) -> None:
        """Show who serves each queue."""
        for queue, workers in queues.items():
            self._workers.labels(queue).set(len(workers))
            self._consumers.labels(queue).set(len(workers))
            self._processes.labels(queue).set(sum(worker.processes for worker in workers))

    def forget(self, hostname: str) -> None:
        """Drop every figure of a worker.

        They are dropped and not added to those of another label: a rate would count that as work done now.
        """
        for each in (*self._counters.values(), self._runtime, self._wait, self._up, self._active):
            _drop(each, hostname)

    def lengths(self, queues: Mapping[str, int] | None) -> None:
        """Show how long queues are; None where Redis does not say: a failure is no empty queue."""
        self._length.clear()
        for queue, length in (queues or {}).items():
            self._length.labels(queue).set(length)

    def connected(self, *, again: bool) -> None:
        """Record that events are received."""
        self._connected.set(1)
        self._reconnects.inc(again)

    def disconnected(self) -> None:
        """Record that events are missed."""
        self._connected.set(0)

    def unreadable(self) -> None:
        """Count a message that is none of Celery's."""
        self._unreadable.inc()

    def _child(self, state: str, origin: Origin, error: str) -> Counter:
        extra = {"exception": error} if state == "failed" else {}
        return self._counters[state].labels(**_labels(origin), **extra)


def _labels(origin: Origin) -> dict[str, str]:
    return {
        "name": origin.name,
        "hostname": origin.hostname,
        "queue_name": origin.queue,
        "tier": origin.tier,
    }


def _drop(metric: Any, hostname: str) -> None:  # noqa: ANN401 - metrics have no common type with this method
    metric.remove_by_labels({"hostname": hostname})
