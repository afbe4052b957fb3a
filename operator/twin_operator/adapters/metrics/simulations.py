"""Metrics of Simulations: how many ended how, how long they took, what they recommend, how many are on their way."""

from collections.abc import Callable
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from twin_operator.services.reconciling.metrics import EndedSimulation

# Seconds. A cached answer takes hundredths; a played trial, or one that waits for the first worker, minutes; hours are
# those of a model that is still in training.
DURATIONS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400)
WAITS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class SimulationMetrics:
    """The figures of Simulations.

    Args:
        registry: where they are shown from.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self._finished = counter(
            "twinops_simulations_finished",
            "Simulations that ended, by phase and by the reason of their condition Ready.",
            ("namespace", "phase", "reason"),
        )
        self._recommendations = counter(
            "twinops_recommendations",
            "Recommendations given: Deploy, Skip or Refine, and why.",
            ("namespace", "action", "reason"),
        )
        self._duration = histogram(
            "twinops_simulation_duration_seconds",
            "Time from a Simulation's creation to its answer in the API server.",
            ("namespace",),
            buckets=DURATIONS,
        )
        self._wait = histogram(
            "twinops_simulation_queue_wait_seconds",
            "Time from a Simulation's queueing to the start of its last attempt.",
            ("queue",),
            buckets=WAITS,
        )
        self._published = counter(
            "twinops_simulations_published", "Messages published for Simulations, repetitions too."
        )
        self._republished = counter(
            "twinops_simulations_republished", "Messages that were lost and are published again."
        )
        self._unfinished = gauge("twinops_simulations_unfinished", "Simulations that are not finished yet.")
        self._oldest = gauge(
            "twinops_simulations_oldest_seconds",
            "For how long the operator has followed the oldest unfinished Simulation.",
        )

    def finished(self, ended: EndedSimulation) -> None:
        """Count a Simulation that ended, and what it took."""
        self._finished.labels(ended.namespace, ended.phase, ended.reason).inc()
        self._duration.labels(ended.namespace).observe(ended.duration)
        if ended.wait is not None:
            self._wait.labels(ended.queue).observe(ended.wait)
        if ended.recommendation is not None:
            self._recommendations.labels(ended.namespace, *ended.recommendation).inc()

    def published(self, messages: int) -> None:
        """Count messages."""
        self._published.inc(messages)

    def republished(self) -> None:
        """Count a message that was lost."""
        self._republished.inc()

    def follow(self, unfinished: Callable[[], int], oldest: Callable[[], float]) -> None:
        """Ask at each scrape how many are on their way, and for how many seconds the oldest is."""
        self._unfinished.set_function(unfinished)
        self._oldest.set_function(oldest)
