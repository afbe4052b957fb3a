"""Changes how many workers a pool has: more at once, fewer only by workers that hold no task.

The operator may be killed after any step: draining flags expire, and the next leader finds deletion costs that no
longer apply and removes them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from twin_operator.services.pools.manifest import selector
from twin_operator.services.pools.pool_index import PoolState
from twin_operator.services.pools.ports import QueueLoads, Workloads
from twin_operator.services.pools.workers import BUSY_COST, IDLE_COST, ScaleIn, Workers, active, plan_fixed, plan_idle

FLAG_SECONDS: Final = 60
"""Of a draining flag: many polls long, and short enough that a worker whose operator died soon takes tasks again."""


@dataclass(frozen=True)
class Scaler:
    """Changes the number of workers.

    Args:
        loads: leases and draining flags.
        workloads: Deployments and Pods.
    """

    loads: QueueLoads
    workloads: Workloads

    async def follow_queues(self, pool: PoolState, wanted: int) -> None:
        """Bring an autoscaled pool nearer to `wanted` without removing a worker that has a task.

        Raises:
            ConnectionError: the queue does not answer; no worker was removed.
            Changed: the Deployment is not as it was observed.
        """
        await self.scale_up(pool, wanted)
        await self._scale_down(pool, wanted, plan_idle)

    async def set_fixed(self, pool: PoolState, wanted: int) -> None:
        """Bring a pool to the number in its spec: busy workers are removed last, and finish their tasks.

        Raises:
            Changed: the Deployment is not as it was observed.
        """
        await self.scale_up(pool, wanted)
        try:
            await self._scale_down(pool, wanted, plan_fixed)
        except ConnectionError:
            await self._set_replicas(pool, min(wanted, pool.replicas.desired))

    async def scale_up(self, pool: PoolState, least: int) -> None:
        """Bring a pool to `least` workers where it has fewer; this needs no queue."""
        if least > pool.replicas.desired:
            await self._set_replicas(pool, least)

    async def _scale_down(self, pool: PoolState, wanted: int, plan: Callable[..., ScaleIn]) -> None:
        if pool.deployment is None:
            return
        if wanted >= pool.replicas.desired and pool.draining is not None and not pool.draining:
            return  # no worker is to be removed and none has a flag: the Pods need not be read
        pods = await self.workloads.list_pods(pool.deployment, selector(pool.key[1]))
        workers = Workers(pool.deployment, active(pods))
        pool.draining = _flagged(pool.draining or frozenset(), workers)
        removal = await self._choose(pool, workers, partial(plan, wanted=wanted))
        await self._release_others(pool, workers, removal)
        if removal.replicas < workers.desired:
            await self._set_deletion_costs(pool, removal)
            await self._set_replicas(pool, removal.replicas)

    async def _choose(
        self, pool: PoolState, workers: Workers, plan: Callable[[Workers, Collection[str]], ScaleIn]
    ) -> ScaleIn:
        """Choose and flag, then read the leases again: whoever holds one now took its task before the flag."""
        queues = pool.spec.queues
        first = plan(workers, await self.loads.busy(queues))
        if not first.victims:
            return first
        flagged = frozenset(pod.name for pod in first.victims)
        pool.draining = (pool.draining or frozenset()) | flagged
        await self.loads.drain(flagged, FLAG_SECONDS)
        second = plan(workers, await self.loads.busy(queues))
        victims = tuple(pod for pod in second.victims if pod.name in flagged)
        return ScaleIn(victims, second.replicas + len(second.victims) - len(victims))

    async def _release_others(self, pool: PoolState, workers: Workers, removal: ScaleIn) -> None:
        """Prolong the flags of the workers to remove, and remove those of the others."""
        flagged = [pod for pod in workers.pods if pod.name in (pool.draining or ())]
        if workers.pending:
            await self.loads.drain([pod.name for pod in flagged], FLAG_SECONDS)
            return
        victims = {pod.name for pod in removal.victims}
        others = [pod for pod in flagged if pod.name not in victims]
        for pod in others:
            if pod.deletion_cost:
                await self.workloads.set_deletion_cost(pod, None)
        await self.loads.release([pod.name for pod in others])
        pool.draining = (pool.draining or frozenset()) - {pod.name for pod in others}

    async def _set_deletion_costs(self, pool: PoolState, removal: ScaleIn) -> None:
        """Have the ReplicaSet remove the chosen Pods; where it removes all it has no choice."""
        if removal.replicas == 0:
            return
        busy = await self.loads.busy(pool.spec.queues)
        for pod in removal.victims:
            cost = BUSY_COST if pod.name in busy else IDLE_COST
            if pod.deletion_cost != cost:
                await self.workloads.set_deletion_cost(pod, cost)

    async def _set_replicas(self, pool: PoolState, replicas: int) -> None:
        if pool.deployment is not None and replicas != pool.replicas.desired:
            pool.observe_deployment(await self.workloads.scale(pool.deployment, replicas))


def _flagged(draining: frozenset[str], workers: Workers) -> frozenset[str]:
    """Return the workers that have a draining flag, those of an earlier leader by the deletion cost that it set."""
    ours = {IDLE_COST, BUSY_COST}
    return frozenset(pod.name for pod in workers.pods if pod.name in draining or pod.deletion_cost in ours)
