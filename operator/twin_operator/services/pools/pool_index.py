"""The WorkerPools as the watches tell of them, and whose queues they serve. No request."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1.conditions import ConditionType, Reason
from twin_operator.services.pools.pool import Pool
from twin_operator.services.pools.scale_in import replicas_of
from twin_operator.services.reconciling.status import Fact, stalled
from twin_operator.services.runs.run import JSON

Key = tuple[str, str]


@dataclass
class KnownPools:
    """Every pool that there is.

    Args:
        namespaces: where pools are taken.
        on_gone: called with a pool that was deleted.
    """

    namespaces: Collection[str]
    on_gone: Callable[[Key], None]
    served: frozenset[str] = frozenset()
    """Queues whose tasks will be done: of pools with ready workers, or that get some when a task comes."""
    _pools: dict[Key, Pool] = field(default_factory=dict)

    def observe(self, body: JSON, *, deleted: bool) -> list[Key]:
        """Take note of a pool; return the pools to reconcile: this one, and those that may take its queues."""
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        known = self._pools.get(key)
        if deleted:
            self._pools.pop(key, None)
            self.on_gone(key)
        elif known is None or known.body["metadata"]["uid"] != body["metadata"]["uid"]:
            self._pools[key] = Pool(body)
        else:
            return self._changed(known, body)
        self.count_served()
        return self.keys  # a queue may have another pool now

    def observe_deployment(self, body: JSON, *, deleted: bool) -> Key | None:
        """Take note of a Deployment; return the pool whose it is."""
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        pool = self._pools.get(key)
        if pool is None:
            return None
        if deleted:
            pool.lose_deployment(body["metadata"]["uid"])
        else:
            pool.take_deployment(body)
        return key

    def get(self, key: Key) -> Pool | None:
        """Return a pool, if there is one."""
        return self._pools.get(key)

    @property
    def keys(self) -> list[Key]:
        """Every pool."""
        return list(self._pools)

    def refusal(self, pool: Pool) -> list[Fact] | None:
        """Return why a pool is not taken, or None."""
        others = [other.body for other in self._pools.values() if other is not pool]
        return refusal(pool.body, others, self.namespaces)

    def at_zero(self, queues: Collection[str]) -> list[Key]:
        """Return the autoscaled pools of these queues that have no worker."""
        wanted = set(queues)
        pools = [pool for pool in self._pools.values() if pool.autoscaled and not replicas_of(pool.deployment)]
        return [pool.key for pool in pools if wanted & set(pool.spec["queues"])]

    def serves(self, queue: str) -> bool:
        """Whether tasks of `queue` will be done."""
        return queue in self.served

    def count_served(self) -> None:
        """Find anew which queues are served."""
        serving = [pool for pool in self._pools.values() if _works(pool) and self.refusal(pool) is None]
        self.served = frozenset(queue for pool in serving for queue in pool.spec["queues"])

    def _changed(self, known: Pool, body: JSON) -> list[Key]:
        """Take a newer body; an echo of our own status is nothing to act on."""
        echo = _generation(known.body) == _generation(body)
        queues = known.spec["queues"]
        known.body = body
        self.count_served()
        if echo:
            return []
        return [known.key] if body["spec"]["queues"] == queues else self.keys


def _works(pool: Pool) -> bool:
    status = pool.body.get("status") or {}
    stalled = any(c["type"] == ConditionType.STALLED and c["status"] == "True" for c in status.get("conditions") or ())
    return bool(status.get("readyReplicas")) or (pool.autoscaled and not stalled)


def _generation(body: JSON) -> int:
    return int(body["metadata"].get("generation", 1))


def refusal(body: JSON, others: Collection[JSON], namespaces: Collection[str]) -> list[Fact] | None:
    """Return why the pool is not taken, or None.

    Args:
        body: the pool.
        others: every other pool.
        namespaces: where pools are taken.
    """
    spec, meta = body["spec"], body["metadata"]
    if meta["namespace"] not in namespaces:
        allowed = ", ".join(sorted(namespaces))
        return stalled(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"Pools are taken in {allowed} only; add the namespace to workerPools.namespaces.",
        )
    for other in others:
        shared = sorted(set(spec["queues"]) & set(other["spec"]["queues"]))
        if shared and other["metadata"]["namespace"] in namespaces and _older(other, body):
            name = f"{other['metadata']['namespace']}/{other['metadata']['name']}"
            return stalled(Reason.QUEUE_TAKEN, f"Queue {shared[0]} belongs to WorkerPool {name}; a queue has one pool.")
    return None


def _older(one: JSON, other: JSON) -> bool:
    def age(body: JSON) -> tuple[str, str]:
        return body["metadata"].get("creationTimestamp", ""), body["metadata"]["uid"]

    return age(one) < age(other)
