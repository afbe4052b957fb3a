"""The WorkerPools as watches and our own writes show them, what is remembered of each, and which queues they serve.

Nothing here sends a request. After a restart of the operator everything is read or observed again.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from twin_operator.api.v1alpha1 import OwnerReference, WorkerPool
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from twin_operator.api.v1alpha1.resource import GROUP
from twin_operator.api.v1alpha1.worker_pool import WorkerPoolSpec
from twin_operator.domain.scaling import QueueLoad, ScalingDecision, Want
from twin_operator.services.pools.loads import Arrivals
from twin_operator.services.pools.ports import Deployment, Key, ReplicaCounts
from twin_operator.services.pools.queue_owners import AgeRank, QueueOwners, age_rank, refusal
from twin_operator.services.reconciling.status import Fact

NO_REPLICAS: Final = ReplicaCounts(desired=0, current=0, updated=0, ready=0)


@dataclass(frozen=True)
class AppliedManifest:
    """The manifest that was last applied: its digest, and the generation of the Deployment afterwards."""

    digest: str
    generation: int


@dataclass(frozen=True)
class RefusedManifest:
    """A manifest that is not applied: its digest, why, and when it was refused (seconds since the epoch).

    One that breaks the rules of templates is not made, so its digest is empty.
    """

    digest: str
    message: str
    at: float


@dataclass
class PoolState:
    """One pool between two reconciliations. Times are seconds since the epoch.

    Attributes:
        resource: as last observed or written.
        deployment: the Deployment that the pool owns, as last observed or written; None where there is none.
        deployment_read: whether the Deployment of the pool's name was read since another one of this name was observed.
        other: the Deployment of the pool's name as last read, where the pool does not own it.
        other_since: when `other` was first read.
        applied: the manifest that the Deployment has.
        refused: a manifest that it does not have.
        arrivals: by queue.
        loads: the queues as last read; empty until then.
        decision: the last one.
        window: the readings that the next decision needs.
        unreachable_since: since when the queues cannot be read.
        limited_since: since when more workers are needed than allowed.
        limit_reported: whether there was an Event of that.
        draining: workers that have a draining flag; None until the Pods were read.
        last_scaled: when the number of workers last changed.
        startup_problem: why workers do not become ready.
        pods_checked: when the Pods were last read for that.
        status_written: when the status was last written.
        status_refused: the generation whose status the API server refused last, and when; None after one that it took.
    """

    resource: WorkerPool
    deployment: Deployment | None = None
    deployment_read: bool = False
    other: Deployment | None = None
    other_since: float = 0.0
    applied: AppliedManifest | None = None
    refused: RefusedManifest | None = None
    arrivals: dict[str, Arrivals] = field(default_factory=dict)
    loads: tuple[QueueLoad, ...] = ()
    decision: ScalingDecision | None = None
    window: tuple[Want, ...] = ()
    unreachable_since: float | None = None
    limited_since: float | None = None
    limit_reported: bool = False
    draining: frozenset[str] | None = None
    last_scaled: float | None = None
    startup_problem: str | None = None
    pods_checked: float = 0.0
    status_written: float = 0.0
    status_refused: tuple[int, float] | None = None

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.resource.key

    @property
    def spec(self) -> WorkerPoolSpec:
        """The spec."""
        return self.resource.spec

    def status_refused_since(self, then: float) -> bool:
        """Whether the API server refused a status of the present generation after `then`, seconds since the epoch."""
        generation, at = self.status_refused or (0, 0.0)
        return generation == self.resource.metadata.generation and at > then

    @property
    def last_scale_in_status(self) -> float | None:
        """When the number of workers last changed, as the status has it."""
        time = self.resource.status.last_scale_time
        return None if time is None else time.timestamp()

    @property
    def autoscaled(self) -> bool:
        """Whether the number of workers follows the queues."""
        return self.spec.autoscaling is not None

    @property
    def tier(self) -> str:
        """The label for metrics."""
        return self.spec.tier.value

    @property
    def replicas(self) -> ReplicaCounts:
        """The replicas of the Deployment; without one, none."""
        return self.deployment.replicas if self.deployment else NO_REPLICAS

    def deployment_was_read(self, found: Deployment | None, now: float) -> None:
        """Keep the Deployment of the pool's name: as the pool's own, or as another one."""
        owned = found is not None and owns(self.resource, found)
        before, self.other = self.other, None if owned else found
        self.deployment_read = True
        if not owned:
            self.deployment = None
        elif found is not None:
            self.observe_deployment(found)
        if self.other is not None and (before is None or before.uid != self.other.uid):
            self.other_since = now

    def observe_deployment(self, deployment: Deployment) -> None:
        """Keep the pool's Deployment, unless the one that is kept is newer: watch events come after our own writes.

        Another Deployment of the name is not kept: it may be an earlier one, so what there is now is to be read.
        """
        if not owns(self.resource, deployment):
            self.deployment_read = False
        elif not _is_outdated(deployment, self.deployment):
            self.deployment = deployment

    def deployment_deleted(self, uid: str) -> None:
        """Drop the Deployment with this uid; a newer one of its name stays."""
        if self.deployment is not None and self.deployment.uid == uid:
            self.deployment = None


def owns(pool: WorkerPool, deployment: Deployment) -> bool:
    """Return whether a pool owns a Deployment: by its uid, and no other object is the controller."""
    controllers = {owner.uid for owner in deployment.owners if owner.controller}
    return pool.uid in {owner.uid for owner in deployment.owners} and controllers <= {pool.uid}


def belongs_to_earlier_pool(pool: WorkerPool, deployment: Deployment) -> bool:
    """Return whether a Deployment that the pool does not own has WorkerPools of the pool's name as its only owners."""
    return bool(deployment.owners) and all(_is_pool_of_name(owner, pool.name) for owner in deployment.owners)


def _is_pool_of_name(owner: OwnerReference, name: str) -> bool:
    group = owner.api_version.partition("/")[0]
    return (group, owner.kind, owner.name) == (GROUP, WorkerPool.definition.kind, name)


def _is_outdated(observed: Deployment, kept: Deployment | None) -> bool:
    return kept is not None and observed.uid == kept.uid and observed.generation < kept.generation


@dataclass
class PoolIndex:
    """Every WorkerPool.

    Args:
        namespaces: where pools are accepted.
        on_deleted: called with a pool that was deleted.
    """

    namespaces: Collection[str]
    on_deleted: Callable[[Key], None]
    served: frozenset[str] = frozenset()
    """Queues of pools that have ready workers, or get some when a task comes."""
    _pools: dict[Key, PoolState] = field(default_factory=dict)
    _queues: QueueOwners = field(default_factory=QueueOwners)

    def observe(self, resource: WorkerPool, *, deleted: bool) -> list[Key]:
        """Keep a pool; return the pools to reconcile: this one, and those that may now serve its queues.

        Those are the younger ones with a queue of this pool: an older one keeps a queue whatever younger ones do.
        """
        key = resource.key
        pool = self._pools.get(key)
        if deleted and pool is not None and pool.resource.uid != resource.uid:
            return []  # a late event of an earlier pool of this name
        if pool is not None and pool.resource.uid == resource.uid and not deleted:
            return self._update(pool, resource)
        before = self._queues.of(key)
        if deleted:
            self._pools.pop(key, None)
            self.on_deleted(key)
        else:
            self._pools[key] = PoolState(resource)
        queues = before | self._queues.keep(key, () if deleted else resource.spec.queues)
        self._update_served(queues)
        oldest = min(age_rank(each) for each in (resource, *([] if pool is None else [pool.resource])))
        return [*([] if deleted else [key]), *self._younger(key, oldest, queues)]

    def observe_deployment(self, deployment: Deployment, *, deleted: bool) -> Key | None:
        """Keep a Deployment where the pool of its name owns it; return the pool of its name, to be reconciled."""
        key = deployment.namespace, deployment.name
        pool = self._pools.get(key)
        if pool is None:
            return None
        if deleted:
            pool.deployment_deleted(deployment.uid)
        else:
            pool.observe_deployment(deployment)
        self._update_served(self._queues.of(key))
        return key

    def get(self, key: Key) -> PoolState | None:
        """Return a pool, if there is one."""
        return self._pools.get(key)

    @property
    def keys(self) -> list[Key]:
        """Every pool."""
        return list(self._pools)

    def refusal(self, pool: PoolState) -> list[Fact] | None:
        """Return why a pool is refused, or None."""
        others = [self._pools[key].resource for key in self._queues.pools(pool.spec.queues) if key != pool.key]
        return refusal(pool.resource, sorted(others, key=age_rank), self.namespaces)

    def scaled_to_zero(self, queues: Collection[str]) -> list[Key]:
        """Return the autoscaled pools of these queues that have no worker."""
        pools = (self._pools[key] for key in self._queues.pools(queues))
        return [pool.key for pool in pools if pool.autoscaled and not pool.replicas.desired]

    def serves(self, queue: str) -> bool:
        """Whether a pool has workers for `queue`, or gets some when a task comes."""
        return queue in self.served

    def _younger(self, key: Key, rank: AgeRank, queues: Collection[str]) -> list[Key]:
        """Return the other pools that have one of these queues and come after `rank`."""
        others = self._queues.pools(queues) - {key}
        return [other for other in others if age_rank(self._pools[other].resource) > rank]

    def _update_served(self, queues: Collection[str]) -> None:
        """Judge these queues again, and those of every pool that has one of them: it may be refused now, or no more."""
        judged = {queue for key in self._queues.pools(queues) for queue in self._queues.of(key)} | set(queues)
        self.served = (self.served - judged) | {queue for queue in judged if self._is_served(queue)}

    def _is_served(self, queue: str) -> bool:
        pools = (self._pools[key] for key in self._queues.pools([queue]))
        return any(_serves(pool) and self.refusal(pool) is None for pool in pools)

    def _update(self, pool: PoolState, resource: WorkerPool) -> list[Key]:
        """Keep a newer version of a pool; the watch event of our own status write needs no reconciliation."""
        before, pool.resource = pool.resource, resource
        queues = self._queues.of(pool.key)
        queues |= self._queues.keep(pool.key, resource.spec.queues)
        self._update_served(queues)
        if before.metadata.generation == resource.metadata.generation:
            return []
        same = resource.spec.queues == before.spec.queues
        return [pool.key, *([] if same else self._younger(pool.key, age_rank(resource), queues))]


def _serves(pool: PoolState) -> bool:
    """Return whether a pool has workers, or gets some when a task comes: those of an earlier template count as well."""
    condition = pool.resource.status.condition(ConditionType.STALLED)
    is_stalled = condition is not None and condition.status == ConditionStatus.TRUE
    gets_some = pool.autoscaled and (not is_stalled or pool.deployment is not None)
    return bool(pool.resource.status.ready_replicas) or gets_some
