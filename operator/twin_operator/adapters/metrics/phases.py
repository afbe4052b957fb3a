"""How many objects of a kind are in each phase."""

from prometheus_client import Gauge

Key = tuple[str, str]


class Phases:
    """Counts objects by namespace and phase; remembers the phase of each.

    Args:
        gauge: with the labels namespace and phase.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._known: dict[Key, str] = {}

    def put(self, key: Key, phase: str) -> None:
        """Take note of an object's phase; `key` is its namespace and name."""
        self.drop(key)
        self._known[key] = phase
        self._gauge.labels(key[0], phase).inc()

    def drop(self, key: Key) -> None:
        """Count an object no more."""
        before = self._known.pop(key, None)
        if before is not None:
            self._gauge.labels(key[0], before).dec()
