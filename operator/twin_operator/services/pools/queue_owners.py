"""Which WorkerPools name a queue, and why all but the oldest of them are refused."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.pools.ports import Key
from twin_operator.services.reconciling.status import Fact, stalled

AgeRank = tuple[datetime, str]


@dataclass
class QueueOwners:
    """The pools of each queue, so that a change of a pool concerns only those that share a queue with it."""

    _queues: dict[Key, frozenset[str]] = field(default_factory=dict)
    _pools: dict[str, set[Key]] = field(default_factory=dict)

    def keep(self, pool: Key, queues: Collection[str]) -> frozenset[str]:
        """Take note of the queues of a pool, which has none once it is deleted; return them."""
        before, after = self._queues.pop(pool, frozenset()), frozenset(queues)
        for queue in before - after:
            self._pools[queue].discard(pool)
            if not self._pools[queue]:
                del self._pools[queue]
        for queue in after - before:
            self._pools.setdefault(queue, set()).add(pool)
        if after:
            self._queues[pool] = after
        return after

    def of(self, pool: Key) -> frozenset[str]:
        """Return the queues of a pool."""
        return self._queues.get(pool, frozenset())

    def pools(self, queues: Collection[str]) -> set[Key]:
        """Return the pools that have one of these queues."""
        return {pool for queue in queues for pool in self._pools.get(queue, ())}


def refusal(pool: WorkerPool, others: Collection[WorkerPool], namespaces: Collection[str]) -> list[Fact] | None:
    """Return why a pool is refused, or None.

    Args:
        pool: the pool.
        others: every other pool.
        namespaces: where pools are accepted.
    """
    if pool.namespace not in namespaces:
        allowed = ", ".join(sorted(namespaces))
        return stalled(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"Pools are taken in {allowed} only; add the namespace to workerPools.namespaces.",
        )
    for other in others:
        shared = sorted(set(pool.spec.queues) & set(other.spec.queues))
        if shared and other.namespace in namespaces and age_rank(other) < age_rank(pool):
            name = f"{other.namespace}/{other.name}"
            return stalled(Reason.QUEUE_TAKEN, f"Queue {shared[0]} belongs to WorkerPool {name}; a queue has one pool.")
    return None


def age_rank(pool: WorkerPool) -> AgeRank:
    """Return what orders pools by age, the oldest first; the uid decides between pools of the same second."""
    return pool.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC), pool.uid
