"""Brings each WorkerPool, its Deployment and its queues together: looks, decides, has it carried out, tells."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twin_operator.domain.scaling import Limit, ScalingPolicy, decide
from twin_operator.services.pools import events
from twin_operator.services.pools.deploying import Deploying
from twin_operator.services.pools.loads import all_smoothed, load_of, policy
from twin_operator.services.pools.manifest import selector
from twin_operator.services.pools.pool import Applied, Pool
from twin_operator.services.pools.pool_index import Key, KnownPools
from twin_operator.services.pools.ports import PoolMeters
from twin_operator.services.pools.scale_in import replicas_of
from twin_operator.services.pools.scaler import Scaler
from twin_operator.services.pools.status import crewed, figures, pool_status, refused_status, worth_writing
from twin_operator.services.pools.workers import trouble
from twin_operator.services.reconciling.ports import Changed, Gone, JSONResources
from twin_operator.services.runs.run import JSON

logger = logging.getLogger(__name__)
KIND: Final = "WorkerPool"
FIXED_POLL_SECONDS: Final = 5.0  # between looks at the queues of a pool whose number of workers is fixed
SOON_SECONDS: Final = 2.0  # until the next look while workers are on their way out
AGAIN_SECONDS: Final = 0.5  # after a write that somebody else's came before: the watch brings what is new
TROUBLE_SECONDS: Final = 10.0  # between looks at the Pods of workers that are not ready


@dataclass
class PoolReconciler:
    """Reconciles WorkerPools.

    Args:
        resources: the API server.
        known: the pools.
        deploying: applies Deployments.
        scaler: changes numbers of workers.
        meters: shows figures.
        clock: seconds since the epoch.
    """

    resources: JSONResources
    known: KnownPools
    deploying: Deploying
    scaler: Scaler
    meters: PoolMeters
    clock: Callable[[], float]

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next for the pool `key`; return the seconds until the next look."""
        pool = self.known.get(key)
        if pool is None:
            return None
        refused = self.known.refusal(pool)
        if refused is not None:
            self.meters.forget_pool(key)
            return await self._write(pool, refused_status(pool, refused, self.clock()), None)
        await self.deploying.deploy(pool)
        try:
            await self._scale(pool)
        except Changed:
            logger.info("The Deployment of WorkerPool %s changed meanwhile; it is looked at again.", key[1])
            pool.looked_up = False
            return AGAIN_SECONDS
        await self._look_for_trouble(pool)
        self.meters.pool(key, figures(pool))
        return await self._write(pool, pool_status(pool, self.clock()), _next_look(pool))

    async def _scale(self, pool: Pool) -> None:
        before, wishes = replicas_of(pool.deployment), policy(pool.spec)
        if pool.scaled is None:
            pool.scaled = _last_scaled(pool)
        try:
            await self._decide(pool, wishes, before)
            await self._carry_out(pool, wishes)
            pool.unreachable_since = None
        except ConnectionError as error:
            await self._hold(pool, wishes, str(error))
        await self._tell_scaled(pool, before, replicas_of(pool.deployment))
        await self._tell_limit(pool)

    async def _decide(self, pool: Pool, wishes: ScalingPolicy, current: int) -> None:
        readings = await self.scaler.loads.read(pool.spec["queues"])
        now = self.clock()
        pool.arrivals = all_smoothed(pool.arrivals, readings, now)
        pool.loads = tuple(load_of(reading, pool.arrivals[reading.name]) for reading in readings)
        pool.decision = decide(wishes, pool.loads, current, pool.window, now)
        pool.window = pool.decision.window

    async def _carry_out(self, pool: Pool, wishes: ScalingPolicy) -> None:
        if pool.autoscaled and pool.decision is not None:
            await self.scaler.follow(pool, pool.decision.replicas)
        else:
            await self.scaler.obey(pool, wishes.min_replicas)

    async def _hold(self, pool: Pool, wishes: ScalingPolicy, error: str) -> None:
        """Keep what there is; a fixed number needs no queue."""
        first, pool.unreachable_since = pool.unreachable_since is None, pool.unreachable_since or self.clock()
        if not pool.autoscaled:
            await self.scaler.obey(pool, wishes.min_replicas)
        else:
            await self.scaler.hold(pool, wishes.min_replicas)
        if first and pool.autoscaled:
            await self.resources.emit(events.unreachable(pool, pool.unreachable_since, error))

    async def _tell_scaled(self, pool: Pool, before: int, after: int) -> None:
        if before == after or pool.deployment is None:
            return
        pool.scaled = self.clock()
        if pool.applied is not None:
            pool.applied = Applied(pool.applied.digest, pool.deployment["metadata"]["generation"])
        self.meters.scaled(pool.key, pool.tier, "up" if after > before else "down")
        await self.resources.emit(events.scaled(pool, before, after))

    async def _tell_limit(self, pool: Pool) -> None:
        limited = pool.autoscaled and pool.decision is not None and pool.decision.limit is Limit.TOO_MANY_TASKS
        if not limited or pool.unreachable_since is not None:
            pool.limited_since, pool.limit_told = None, False
            return
        pool.limited_since = pool.limited_since or self.clock()
        if self.clock() - pool.limited_since >= events.AT_LIMIT_SECONDS and not pool.limit_told:
            pool.limit_told = True
            await self.resources.emit(events.at_limit(pool, pool.limited_since))

    async def _look_for_trouble(self, pool: Pool) -> None:
        """Look at Pods that are not ready, from time to time."""
        now, waited = self.clock(), self.clock() - max(pool.trouble_at, pool.scaled or 0.0)
        if crewed(pool).complete:
            pool.trouble = None
        elif waited >= TROUBLE_SECONDS:
            pool.trouble_at = now
            pool.trouble = trouble(await self.scaler.pods.list(pool.key[0], selector(pool.key[1])), pool.deployment)

    async def _write(self, pool: Pool, new: JSON, again: float | None) -> float | None:
        before, now = pool.body.get("status") or {}, self.clock()
        if not worth_writing(before, new, now - pool.figures_written):
            return again
        try:
            pool.body = {**pool.body, **await self.resources.write_status(KIND, pool.body, new)}
        except Changed:
            return AGAIN_SECONDS
        except Gone:
            return None
        pool.figures_written = now
        return again


def _next_look(pool: Pool) -> float:
    seconds = pool.spec["autoscaling"].get("pollSeconds", 2) if pool.autoscaled else FIXED_POLL_SECONDS
    return min(seconds, SOON_SECONDS) if pool.draining else float(seconds)


def _last_scaled(pool: Pool) -> float | None:
    text = (pool.body.get("status") or {}).get("lastScaleTime")
    return datetime.fromisoformat(text).timestamp() if text else None
