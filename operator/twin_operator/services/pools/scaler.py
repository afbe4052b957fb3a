"""Carries out how many workers a pool wants. More at once; fewer only by workers that hold no task.

Each step may be the last before a kill of the operator: flags expire, and the next look at the Pods finds costs that
are not meant any more and takes them back.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from twin_operator.services.pools.manifest import selector
from twin_operator.services.pools.pool import Pool
from twin_operator.services.pools.ports import QueueLoads, WorkerPods
from twin_operator.services.pools.scale_in import (
    BUSY_COST,
    IDLE_COST,
    Crew,
    ScaleIn,
    plan_idle,
    plan_wish,
    replicas_of,
)
from twin_operator.services.pools.workers import DELETION_COST, workers

FLAG_SECONDS: Final = 60
"""Of a draining flag: many looks long, and short enough that a worker whose operator died soon works again."""


@dataclass(frozen=True)
class Scaler:
    """Changes the number of workers.

    Args:
        loads: leases and flags.
        pods: Pods and Deployments.
    """

    loads: QueueLoads
    pods: WorkerPods

    async def follow(self, pool: Pool, wanted: int) -> None:
        """Bring an autoscaled pool nearer to `wanted` without taking a worker that has a task.

        Raises:
            ConnectionError: the queue does not answer; nothing was taken away.
            Changed: the Deployment is not as it was seen.
        """
        await self._rise(pool, wanted)
        await self._shrink(pool, wanted, plan_idle)

    async def obey(self, pool: Pool, wanted: int) -> None:
        """Bring a pool to the number that a person wants: busy workers go last and end what they do.

        Raises:
            Changed: the Deployment is not as it was seen.
        """
        await self._rise(pool, wanted)
        try:
            await self._shrink(pool, wanted, plan_wish)
        except ConnectionError:
            await self._set(pool, min(wanted, replicas_of(pool.deployment)))

    async def hold(self, pool: Pool, least: int) -> None:
        """Keep what there is, and at least what the spec says: the queues cannot be read."""
        await self._rise(pool, least)

    async def _rise(self, pool: Pool, wanted: int) -> None:
        if wanted > replicas_of(pool.deployment):
            await self._set(pool, wanted)

    async def _shrink(self, pool: Pool, wanted: int, plan: Callable[..., ScaleIn]) -> None:
        if pool.deployment is None:
            return
        if wanted >= replicas_of(pool.deployment) and pool.draining is not None and not pool.draining:
            return  # nobody goes and nobody is flagged: no Pod needs to be looked at
        pods = await self.pods.list(pool.key[0], selector(pool.key[1]))
        crew = Crew(pool.deployment, tuple(workers(pods)))
        pool.draining = _flagged(pool.draining or frozenset(), crew)
        going = await self._choose(pool, crew, partial(plan, wanted=wanted))
        await self._settle(pool, crew, going)
        if going.replicas < crew.wanted:
            await self._mark(pool, going)
            await self._set(pool, going.replicas)

    async def _choose(self, pool: Pool, crew: Crew, plan: Callable[[Crew, Collection[str]], ScaleIn]) -> ScaleIn:
        """Choose, flag, and look at the leases again: whoever holds one now took it before the flag."""
        queues = pool.spec["queues"]
        first = plan(crew, await self.loads.busy(queues))
        if not first.victims:
            return first
        flagged = frozenset(worker.name for worker in first.victims)
        pool.draining = (pool.draining or frozenset()) | flagged
        await self.loads.drain(flagged, FLAG_SECONDS)
        again = plan(crew, await self.loads.busy(queues))
        kept = tuple(worker for worker in again.victims if worker.name in flagged)
        return ScaleIn(kept, again.replicas + len(again.victims) - len(kept))

    async def _settle(self, pool: Pool, crew: Crew, going: ScaleIn) -> None:
        """Prolong the flags of those that go, and let the others work again."""
        flagged = [worker for worker in crew.workers if worker.name in (pool.draining or ())]
        if crew.in_hand:
            await self.loads.drain([worker.name for worker in flagged], FLAG_SECONDS)
            return
        chosen = {worker.name for worker in going.victims}
        stay = [worker for worker in flagged if worker.name not in chosen]
        for worker in stay:
            if worker.cost:
                await self.pods.annotate(worker.pod, {DELETION_COST: None})
        await self.loads.release([worker.name for worker in stay])
        pool.draining = (pool.draining or frozenset()) - {worker.name for worker in stay}

    async def _mark(self, pool: Pool, going: ScaleIn) -> None:
        """Tell the ReplicaSet whom to take; where all go it has no choice."""
        if going.replicas == 0:
            return
        busy = await self.loads.busy(pool.spec["queues"])
        for worker in going.victims:
            cost = BUSY_COST if worker.name in busy else IDLE_COST
            if worker.cost != cost:
                await self.pods.annotate(worker.pod, {DELETION_COST: str(cost)})

    async def _set(self, pool: Pool, replicas: int) -> None:
        if pool.deployment is not None and replicas != replicas_of(pool.deployment):
            pool.take_deployment(await self.pods.scale(pool.deployment, replicas))


def _flagged(known: frozenset[str], crew: Crew) -> frozenset[str]:
    """Return the workers that are flagged and there, those of an operator before us by the cost that it left."""
    ours = {IDLE_COST, BUSY_COST}
    return frozenset(worker.name for worker in crew.workers if worker.name in known or worker.cost in ours)
