"""Figures of a worker process, for Prometheus, besides what the client library shows by itself."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter


def dead_letter_counter(reasons: Iterable[str], registry: CollectorRegistry) -> Callable[[str], None]:
    """Return what counts a dead letter by its reason; each is shown from the start, so that the first one is a rise."""
    counter = Counter(
        "twinops_dead_letters", "Messages that could not be carried out, by reason.", ("reason",), registry=registry
    )
    for reason in reasons:
        counter.labels(reason)
    return lambda reason: counter.labels(reason).inc()
