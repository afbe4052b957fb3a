"""Reconciles a WorkerPool: apply the Deployment, read its queues, scale it, write status, Events and metrics."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twin_operator.api.v1alpha1.worker_pool import WorkerPool, WorkerPoolStatus
from twin_operator.domain.scaling import Limit, ScalingPolicy, decide
from twin_operator.services.pools.loads import all_smoothed, load_of, policy
from twin_operator.services.pools.manifest import (
    WorkerDefaults,
    deployment_manifest,
    digest,
    owner_reference,
    selector,
)
from twin_operator.services.pools.pool_index import (
    AppliedManifest,
    PoolIndex,
    PoolState,
    RefusedManifest,
    belongs_to_earlier_pool,
)
from twin_operator.services.pools.ports import Deployment, Key, PoolMeters, QueueLoads, Workloads
from twin_operator.services.pools.scaler import Scaler
from twin_operator.services.pools.status import (
    AT_LIMIT_SECONDS,
    at_limit_event,
    failed_by,
    gauges,
    name_taken_status,
    pool_status,
    refused_status,
    scaled_event,
    unreachable_event,
    worth_writing,
)
from twin_operator.services.pools.template_constraints import TemplateAllowance
from twin_operator.services.pools.template_rules import template_problem
from twin_operator.services.pools.workers import startup_problem
from twin_operator.services.reconciling.ports import Changed, Gone, Refused, Resources, read_again
from twin_operator.services.reconciling.refusals import write_first_accepted
from twin_operator.services.runs.run import JSON

logger = logging.getLogger(__name__)
FIXED_POLL_SECONDS: Final = 5.0  # between readings of the queues of a pool whose number of workers is fixed
DRAINING_POLL_SECONDS: Final = 2.0  # at most, while workers are to be removed
CONFLICT_SECONDS: Final = 0.5  # until a retry after a conflict: the watch brings the newer version meanwhile
PODS_SECONDS: Final = 10.0  # between readings of the Pods of workers that are not ready
REFUSED_SECONDS: Final = 60.0  # until a refused Deployment or status is tried again: quotas and policies change
NAME_TAKEN_SECONDS: Final = 20.0  # between reads of a Deployment of others: the watch has only those with our label
GARBAGE_SECONDS: Final = 30.0  # for the garbage collector to delete the Deployment of an earlier pool; it takes seconds
GARBAGE_POLL_SECONDS: Final = 2.0  # between reads of that Deployment


@dataclass(frozen=True)
class Deployer:
    """Applies the Deployments that pools own, without a request where nothing changed.

    Args:
        resources: the API server.
        workloads: Deployments.
        defaults: what the installation says of every worker Pod.
        allowance: what it allows the templates of pools.
        clock: seconds since the epoch.
    """

    resources: Resources
    workloads: Workloads
    defaults: WorkerDefaults
    allowance: TemplateAllowance
    clock: Callable[[], float]

    async def deploy(self, pool: PoolState) -> None:
        """Apply the Deployment where it differs; a refused one leaves the earlier one as it is.

        A Deployment of the pool's name that the pool does not own stays `pool.other`, and nothing is written.

        Raises:
            Changed: the Deployment is not as it was read.
            Gone: the pool is deleted.
        """
        if not pool.deployment_read or pool.other is not None:
            pool.deployment_was_read(await self.workloads.read_deployment(*pool.key), self.clock())
        if pool.other is not None and self._is_left(pool, pool.other):
            await self._adopt(pool, pool.other)
        if pool.other is None:
            await self._deploy_own(pool)

    def _is_left(self, pool: PoolState, other: Deployment) -> bool:
        """Whether a Deployment is an earlier pool's, and the garbage collector has had time to delete it."""
        waited = self.clock() - pool.other_since >= GARBAGE_SECONDS
        return waited and not other.terminating and belongs_to_earlier_pool(pool.resource, other)

    async def _adopt(self, pool: PoolState, other: Deployment) -> None:
        """Make the pool the owner of an earlier pool's Deployment, once the pool is read to be the one of its name."""
        await read_again(self.resources, pool.resource)
        adopted = await self.workloads.adopt(other, owner_reference(pool.resource))
        logger.info("WorkerPool %s adopted the Deployment of an earlier pool of its name.", pool.resource.name)
        pool.deployment_was_read(adopted, self.clock())

    async def _deploy_own(self, pool: PoolState) -> None:
        problem = template_problem(pool.spec.template or {}, self.allowance)
        if problem is not None:
            pool.refused = RefusedManifest("", problem, self.clock())
            return
        replicas = pool.replicas.desired if pool.deployment else policy(pool.spec).min_replicas
        manifest = deployment_manifest(pool.resource, self.defaults, replicas)
        mark = digest(manifest)
        if self._is_applied(pool, mark):
            pool.refused = None  # a template that was taken back
        elif not self._was_refused_lately(pool, mark):
            await self._apply(pool, manifest, mark)

    def _is_applied(self, pool: PoolState, mark: str) -> bool:
        return pool.deployment is not None and pool.applied == AppliedManifest(mark, pool.deployment.generation)

    def _was_refused_lately(self, pool: PoolState, mark: str) -> bool:
        refused = pool.refused
        return refused is not None and refused.digest == mark and self.clock() - refused.at < REFUSED_SECONDS

    async def _apply(self, pool: PoolState, manifest: JSON, mark: str) -> None:
        try:
            applied = await self._written(pool, manifest, mark)
        except Refused as error:
            pool.refused = RefusedManifest(mark, f"The Deployment was refused: {error}", self.clock())
            return
        pool.refused = None
        pool.observe_deployment(applied)
        pool.applied = AppliedManifest(mark, applied.generation)

    async def _written(self, pool: PoolState, manifest: JSON, mark: str) -> Deployment:
        if pool.deployment is None:
            return await self.workloads.create_deployment(manifest)
        if pool.applied is None or pool.applied.digest != mark:
            await self.workloads.check_deployment(pool.deployment, manifest)
        return await self.workloads.apply_deployment(pool.deployment, manifest)


@dataclass
class PoolReconciler:
    """Reconciles WorkerPools.

    Args:
        resources: the API server.
        workloads: Deployments and Pods.
        loads: queues.
        unpublished: returns how many runs of a queue wait in the operator for a place in it.
        index: the pools.
        deployer: applies Deployments.
        scaler: changes numbers of workers.
        meters: metrics.
        clock: seconds since the epoch.
    """

    resources: Resources
    workloads: Workloads
    loads: QueueLoads
    unpublished: Callable[[str], int]
    index: PoolIndex
    deployer: Deployer
    scaler: Scaler
    meters: PoolMeters
    clock: Callable[[], float]

    async def reconcile(self, key: Key) -> float | None:
        """Reconcile the pool `key`; return the seconds until the next time."""
        pool = self.index.get(key)
        if pool is None:
            return None
        refusal = self.index.refusal(pool)
        if refusal is not None:
            self.meters.forget_pool(key)
            return await self._write(pool, refused_status(pool, refusal, self.clock()), None)
        try:
            await self.deployer.deploy(pool)
            if pool.other is None and not _is_never_deployed(pool):
                await self._scale(pool)
        except Changed:
            logger.info("The Deployment of WorkerPool %s changed during the call; reading it again.", key[1])
            pool.deployment_read = False
            return CONFLICT_SECONDS
        except Gone:
            return None  # the watch event of the deletion comes
        if pool.other is not None:
            return await self._wait_for_name(pool, pool.other)
        await self._check_pods(pool)
        self.meters.pool(key, gauges(pool))
        return await self._write(pool, pool_status(pool, self.clock()), _poll_seconds(pool))

    async def _wait_for_name(self, pool: PoolState, other: Deployment) -> float | None:
        self.meters.forget_pool(pool.key)
        earlier = belongs_to_earlier_pool(pool.resource, other)
        status = name_taken_status(pool, other, self.clock())
        return await self._write(pool, status, GARBAGE_POLL_SECONDS if earlier else NAME_TAKEN_SECONDS)

    async def _scale(self, pool: PoolState) -> None:
        before, limits = pool.replicas.desired, policy(pool.spec)
        if pool.last_scaled is None:
            pool.last_scaled = pool.last_scale_in_status
        try:
            await self._decide(pool, limits, before)
            await self._carry_out(pool, limits)
            pool.unreachable_since = None
        except ConnectionError as error:
            await self._hold(pool, limits, str(error))
        await self._report_scaling(pool, before, pool.replicas.desired)
        await self._report_limit(pool)

    async def _decide(self, pool: PoolState, limits: ScalingPolicy, current: int) -> None:
        readings = await self.loads.read(pool.spec.queues)
        now = self.clock()
        pool.arrivals = all_smoothed(pool.arrivals, readings, now)
        pool.loads = tuple(load_of(each, pool.arrivals[each.name], self.unpublished(each.name)) for each in readings)
        pool.decision = decide(limits, pool.loads, current, pool.window, now)
        pool.window = pool.decision.window

    async def _carry_out(self, pool: PoolState, limits: ScalingPolicy) -> None:
        if pool.autoscaled and pool.decision is not None:
            await self.scaler.follow_queues(pool, pool.decision.replicas)
        else:
            await self.scaler.set_fixed(pool, limits.min_replicas)

    async def _hold(self, pool: PoolState, limits: ScalingPolicy, error: str) -> None:
        """Keep the number of workers, and at least the minimum; a fixed number needs no queue."""
        first, pool.unreachable_since = pool.unreachable_since is None, pool.unreachable_since or self.clock()
        if not pool.autoscaled:
            await self.scaler.set_fixed(pool, limits.min_replicas)
            return
        await self.scaler.scale_up(pool, limits.min_replicas)
        if first:
            await self.resources.emit(unreachable_event(pool, pool.unreachable_since, error))

    async def _report_scaling(self, pool: PoolState, before: int, after: int) -> None:
        if before == after or pool.deployment is None:
            return
        pool.last_scaled = self.clock()
        if pool.applied is not None:
            pool.applied = AppliedManifest(pool.applied.digest, pool.deployment.generation)
        self.meters.scaled(pool.key, pool.tier, "up" if after > before else "down")
        await self.resources.emit(scaled_event(pool, before, after))

    async def _report_limit(self, pool: PoolState) -> None:
        limited = pool.autoscaled and pool.decision is not None and pool.decision.limit is Limit.TOO_MANY_TASKS
        if not limited or pool.unreachable_since is not None:
            pool.limited_since, pool.limit_reported = None, False
            return
        pool.limited_since = pool.limited_since or self.clock()
        if self.clock() - pool.limited_since >= AT_LIMIT_SECONDS and not pool.limit_reported:
            pool.limit_reported = True
            await self.resources.emit(at_limit_event(pool, pool.limited_since))

    async def _check_pods(self, pool: PoolState) -> None:
        """Read Pods that are not ready, from time to time, for the reason."""
        now = self.clock()
        if pool.deployment is None or pool.replicas.complete:
            pool.startup_problem = None
        elif now - max(pool.pods_checked, pool.last_scaled or 0.0) >= PODS_SECONDS:
            pool.pods_checked = now
            pods = await self.workloads.list_pods(pool.deployment, selector(pool.key[1]))
            pool.startup_problem = startup_problem(pods, pool.deployment)

    async def _write(self, pool: PoolState, status: WorkerPoolStatus, again: float | None) -> float | None:
        seen, now = pool.resource, self.clock()
        if pool.status_refused_since(now - REFUSED_SECONDS):
            return again
        if not worth_writing(seen.status, status, now - pool.status_written):
            return again
        try:
            pool.resource = await self._written(pool, status)
        except Changed:
            return CONFLICT_SECONDS
        except Gone:
            return None
        pool.status_written = now
        return again

    async def _written(self, pool: PoolState, status: WorkerPoolStatus) -> WorkerPool:
        """Write a status; one that the API server refuses is tried again after a while, and a small one written."""
        seen, now, pool.status_refused = pool.resource, self.clock(), None
        try:
            return await self.resources.update_status(seen, seen.replace(status=status))
        except Refused as refused:
            pool.status_refused = seen.metadata.generation, now
            return await write_first_accepted(self.resources, seen, refused, [failed_by(seen, refused, now)])


def _is_never_deployed(pool: PoolState) -> bool:
    """Whether a pool was refused before it had a Deployment: there is nothing to scale."""
    return pool.refused is not None and pool.deployment is None


def _poll_seconds(pool: PoolState) -> float:
    if _is_never_deployed(pool):
        return REFUSED_SECONDS
    scaling = pool.spec.autoscaling
    seconds = FIXED_POLL_SECONDS if scaling is None else float(scaling.poll_seconds)
    return min(seconds, DRAINING_POLL_SECONDS) if pool.draining else seconds
