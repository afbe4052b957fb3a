"""Brings a pool's Deployment to what its spec says, without a request where nothing changed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twin_operator.services.pools.loads import policy
from twin_operator.services.pools.manifest import WorkerDefaults, deployment, digest
from twin_operator.services.pools.pool import Applied, Pool, RefusedTemplate
from twin_operator.services.pools.scale_in import replicas_of
from twin_operator.services.reconciling.ports import JSONResources, Refused

logger = logging.getLogger(__name__)
REFUSED_SECONDS: Final = 60.0  # after which a refused Deployment is tried again: quotas and policies change


@dataclass(frozen=True)
class Deploying:
    """Applies Deployments.

    Args:
        resources: the API server.
        defaults: what the installation says of every worker Pod.
        clock: seconds since the epoch.
    """

    resources: JSONResources
    defaults: WorkerDefaults
    clock: Callable[[], float]

    async def deploy(self, pool: Pool) -> None:
        """Apply the Deployment where it is not as wanted; one that is refused leaves the earlier one as it is."""
        if not pool.looked_up:
            pool.take_deployment(await self.resources.read_deployment(*pool.key))
            pool.looked_up = True
        there = pool.deployment
        replicas = replicas_of(there) if there else policy(pool.spec).min_replicas
        wanted = deployment(pool.body, self.defaults, replicas)
        mark = digest(wanted)
        if there and pool.applied == Applied(mark, there["metadata"]["generation"]):
            return
        if pool.refused and pool.refused.digest == mark and self.clock() - pool.refused.at < REFUSED_SECONDS:
            return
        try:
            if there and (pool.applied is None or pool.applied.digest != mark):
                await self.resources.apply_deployment(wanted, dry_run=True)
            applied = await self.resources.apply_deployment(wanted)
        except Refused as error:
            pool.refused = RefusedTemplate(mark, str(error), self.clock())
            return
        pool.refused = None
        pool.take_deployment(applied)
        pool.applied = Applied(mark, applied["metadata"]["generation"])
