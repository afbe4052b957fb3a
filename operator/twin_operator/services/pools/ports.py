"""What pools need of the world: the queues' figures, the Pods of workers, and somebody who shows figures."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from twin_operator.services.runs.run import JSON

Key = tuple[str, str]
"""Namespace and name of a WorkerPool."""


@dataclass(frozen=True)
class QueueReading:
    """One queue as Redis has it at one moment.

    Attributes:
        depth: messages that wait, over all priorities.
        unclaimed: messages that were delivered and are not claimed: about to run, or of a worker that is lost.
        workers: who holds a lease, once a running task.
        published: tasks ever published into it; only differences mean something.
        seconds_per_task: smoothed; None until a task has ended.
        oldest_seconds: wait of the oldest message, where it says when it was published.
    """

    name: str
    depth: int
    unclaimed: int = 0
    workers: tuple[str, ...] = ()
    published: int = 0
    seconds_per_task: float | None = None
    oldest_seconds: float | None = None


class QueueLoads(Protocol):
    """The queues of pools, and the flags of workers that are to take no further task.

    Every method raises `ConnectionError` soon when the queue does not answer.
    """

    async def read(self, queues: Collection[str]) -> tuple[QueueReading, ...]:
        """Read queues, in the order given."""
        ...

    async def busy(self, queues: Collection[str]) -> frozenset[str]:
        """Return the workers that hold a lease of one of these queues."""
        ...

    async def drain(self, workers: Collection[str], seconds: int) -> None:
        """Have workers take no further task for some seconds; once more prolongs it."""
        ...

    async def release(self, workers: Collection[str]) -> None:
        """Let workers take tasks again."""
        ...


class WorkerPods(Protocol):
    """The Pods of a pool, and how many there are to be."""

    async def list(self, namespace: str, selector: str) -> list[JSON]:
        """Return the Pods that a label selector matches."""
        ...

    async def annotate(self, pod: JSON, annotations: dict[str, str | None]) -> None:
        """Merge annotations into a Pod; one that is gone is left alone."""
        ...

    async def scale(self, deployment: JSON, replicas: int) -> JSON:
        """Set a Deployment's replicas; raise `Changed` when it is another one, or has other replicas than seen."""
        ...


@dataclass(frozen=True)
class QueueFigures:
    """One queue for monitoring."""

    name: str
    depth: int
    oldest_seconds: float
    arrivals_per_second: float
    seconds_per_task: float


@dataclass(frozen=True)
class PoolFigures:
    """One pool for monitoring; `scaling_active` is None where the number of workers is fixed."""

    tier: str
    replicas: int
    ready: int
    desired: int
    most: int
    running: int
    drain_seconds: float
    scaling_active: bool | None
    limited: str | None
    queues: tuple[QueueFigures, ...]


class PoolMeters(Protocol):
    """Shows pools to monitoring."""

    def pool(self, key: Key, figures: PoolFigures) -> None:
        """Show a pool as it is now."""
        ...

    def scaled(self, key: Key, tier: str, direction: str) -> None:
        """Count a change of the number of workers wanted: `up` or `down`."""
        ...

    def forget_pool(self, key: Key) -> None:
        """Show nothing of a pool that is gone."""
        ...
