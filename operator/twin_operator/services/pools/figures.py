"""A pool's figures for monitoring. Pure."""

from twin_operator.domain.scaling import QueueLoad
from twin_operator.services.pools.loads import policy
from twin_operator.services.pools.pool import Pool
from twin_operator.services.pools.ports import PoolFigures, QueueFigures
from twin_operator.services.pools.status import crewed


def figures(pool: Pool) -> PoolFigures:
    """Return what monitoring is to show of a pool."""
    crew = crewed(pool)
    limit = pool.decision.limit if pool.decision and pool.autoscaled else None
    return PoolFigures(
        tier=pool.tier,
        replicas=crew.there,
        ready=crew.ready,
        desired=crew.wanted,
        most=policy(pool.spec).max_replicas,
        running=sum(load.running for load in pool.loads),
        drain_seconds=pool.decision.drain_seconds if pool.decision else 0.0,
        scaling_active=pool.unreachable_since is None if pool.autoscaled else None,
        limited=str(limit) if limit else None,
        queues=tuple(_queue(load) for load in pool.loads),
    )


def _queue(load: QueueLoad) -> QueueFigures:
    return QueueFigures(
        load.name, load.depth, load.oldest_seconds or 0.0, load.arrivals_per_second, load.seconds_per_task
    )
