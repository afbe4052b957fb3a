"""What pools tell in Events of Kubernetes: changes of the number of workers, limits, and queues out of reach."""

from typing import Final

from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.services.pools.pool import Pool
from twin_operator.services.reconciling.ports import Event

AT_LIMIT_SECONDS: Final = 60.0  # of wanting more than allowed before somebody is told: a burst may pass


def scaled(pool: Pool, before: int, after: int) -> Event:
    """The number of workers wanted changed."""
    rose = after > before
    generation = (pool.deployment or {}).get("metadata", {}).get("generation", 0)
    return Event(
        regarding=WorkerPool.model_validate(pool.body),
        reason="ScaledUp" if rose else "ScaledDown",
        message=f"From {before} to {after} workers: {_why(pool, rose=rose)}.",
        occasion=str(generation),
    )


def at_limit(pool: Pool, since: float) -> Event:
    """More workers have been wanted than allowed, for long."""
    most = pool.spec["autoscaling"]["maxReplicas"]
    return Event(
        regarding=WorkerPool.model_validate(pool.body),
        reason="PoolAtLimit",
        message=f"For {AT_LIMIT_SECONDS:.0f} seconds the queues have asked for more than {most} workers; tasks wait. "
        "Raise spec.autoscaling.maxReplicas, or targetDrainSeconds where waiting is well.",
        warning=True,
        occasion=f"{since:.0f}",
    )


def unreachable(pool: Pool, since: float, error: str) -> Event:
    """The queues cannot be read."""
    return Event(
        regarding=WorkerPool.model_validate(pool.body),
        reason="QueueUnreachable",
        message=f"The queues cannot be read, so the number of workers is held: {error}",
        warning=True,
        occasion=f"{since:.0f}",
    )


def _why(pool: Pool, *, rose: bool) -> str:
    if not pool.autoscaled:
        return "spec.replicas says so"
    if pool.unreachable_since is not None:
        return "spec.autoscaling.minReplicas says so"
    waiting, running = (sum(getattr(load, what) for load in pool.loads) for what in ("depth", "running"))
    if rose or waiting or running:
        return f"{waiting} tasks wait and {running} run"
    return "no task came for a while"
