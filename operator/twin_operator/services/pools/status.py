"""What users see of a WorkerPool: its status and when to write it, its Events, its metrics. Pure."""

from typing import Final

from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, WorkerPoolPhase
from twin_operator.api.v1alpha1.fields import cut
from twin_operator.api.v1alpha1.worker_pool import QueueDepth, WorkerPool, WorkerPoolStatus
from twin_operator.domain.scaling import Limit, QueueLoad
from twin_operator.services.pools.loads import policy
from twin_operator.services.pools.manifest import selector
from twin_operator.services.pools.pool_index import PoolState, belongs_to_earlier_pool
from twin_operator.services.pools.ports import Deployment, PoolGauges, QueueGauges
from twin_operator.services.reconciling.ports import Event, Refused
from twin_operator.services.reconciling.refusals import stalled_by
from twin_operator.services.reconciling.status import Fact, conditions_of, ready, reconciling, stalled
from twin_operator.services.runs.times import moment

DIGITS: Final = 3  # significant, of smoothed numbers: the rest is noise that would be written again and again
LEAST_RATE: Final = 0.01  # tasks a second: what is below it is the tail of a smoothing, not traffic
REFUSAL_LIMIT: Final = 1000  # characters of what is wrong with a template: an API server's refusal may be long
COUNTS_SECONDS: Final = 4.5  # between writes of depths and running tasks: five seconds for users who poll every 2 s
SMOOTHED_SECONDS: Final = 15.0  # between writes of smoothed numbers alone
MATERIAL: Final = 0.1  # share by which a smoothed number must change to be written
AT_LIMIT_SECONDS: Final = 60.0  # of needing more workers than allowed before an Event: a burst may pass


def refused_status(pool: PoolState, refusal: list[Fact], now: float) -> WorkerPoolStatus:
    """Return the status of a pool that is refused; its Deployment, where it has one, is left as it is."""
    return _unscaled_status(pool, WorkerPoolPhase.FAILED, refusal, now)


def name_taken_status(pool: PoolState, other: Deployment, now: float) -> WorkerPoolStatus:
    """Return the status of a pool whose name another Deployment has; nothing of that Deployment is part of it."""
    if belongs_to_earlier_pool(pool.resource, other):
        message = f"Waiting until Deployment {other.name} of an earlier WorkerPool of this name is deleted or adopted."
        return _unscaled_status(pool, WorkerPoolPhase.SCALING, reconciling(Reason.SCALING, message), now)
    message = (
        f"Deployment {other.name} exists and this WorkerPool does not own it, so it is not changed. "
        "Delete that Deployment, or give the WorkerPool another name."
    )
    return _unscaled_status(pool, WorkerPoolPhase.FAILED, stalled(Reason.NAME_TAKEN, message), now)


def _unscaled_status(pool: PoolState, phase: WorkerPoolPhase, facts: list[Fact], now: float) -> WorkerPoolStatus:
    return _without_load(_with_replicas(pool)).replace(phase=phase, conditions=conditions_of(pool.resource, facts, now))


def pool_status(pool: PoolState, now: float) -> WorkerPoolStatus:
    """Return the status of a pool that is accepted; until the queues are read, what was written of them stays."""
    phase, facts = _readiness(pool)
    if pool.autoscaled:
        facts = [*facts, _scaling_active(pool), *_scaling_limited(pool)]
    return _with_load(_with_replicas(pool), pool).replace(
        phase=phase,
        last_scale_time=None if pool.last_scaled is None else moment(pool.last_scaled),
        conditions=conditions_of(pool.resource, facts, now),
    )


def _with_replicas(pool: PoolState) -> WorkerPoolStatus:
    return pool.resource.status.replace(
        observed_generation=pool.resource.metadata.generation,
        replicas=pool.replicas.current,
        ready_replicas=pool.replicas.ready,
        desired_replicas=pool.replicas.desired,
        selector=selector(pool.resource.name),
    )


def failed_by(seen: WorkerPool, refused: Refused, now: float) -> WorkerPool:
    """Return a WorkerPool as it was seen, but for phase and conditions: the API server refused its status."""
    stuck = stalled_by(seen, refused, now)
    return stuck.replace(status=stuck.status.replace(phase=WorkerPoolPhase.FAILED))


def _with_load(status: WorkerPoolStatus, pool: PoolState) -> WorkerPoolStatus:
    if not pool.loads:
        return status
    arrivals = sum(load.arrivals_per_second for load in pool.loads)
    return status.replace(
        queues=tuple(_queue_depth(load) for load in pool.loads),
        running=sum(load.running for load in pool.loads),
        arrivals_per_second=rounded(arrivals) if arrivals >= LEAST_RATE else 0.0,
        seconds_per_task=rounded(seconds_per_task(pool.loads)),
        drain_seconds=rounded(pool.decision.drain_seconds) if pool.decision else None,
    )


def _without_load(status: WorkerPoolStatus) -> WorkerPoolStatus:
    return status.replace(queues=(), running=None, arrivals_per_second=None, seconds_per_task=None, drain_seconds=None)


def _queue_depth(load: QueueLoad) -> QueueDepth:
    return QueueDepth(name=load.name, depth=load.depth, oldest_seconds=rounded(load.oldest_seconds))


def seconds_per_task(loads: tuple[QueueLoad, ...]) -> float:
    """Return how long a task takes: the mean over waiting tasks, or over the queues where no task waits."""
    weights = [load.depth for load in loads] if any(load.depth for load in loads) else [1] * len(loads)
    seconds = sum(weight * load.seconds_per_task for weight, load in zip(weights, loads, strict=True))
    return seconds / sum(weights)


def rounded(value: float | None) -> float | None:
    """Round to the digits that are worth a write."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _readiness(pool: PoolState) -> tuple[WorkerPoolPhase, list[Fact]]:
    replicas = pool.replicas
    counted = f"{replicas.ready} of {replicas.desired} workers are ready."
    if pool.refused is not None:
        rest = " The workers of the earlier template continue." if replicas.current else ""
        return WorkerPoolPhase.FAILED, stalled(Reason.INVALID_TEMPLATE, cut(pool.refused.message, REFUSAL_LIMIT) + rest)
    if replicas.desired == 0:
        return WorkerPoolPhase.IDLE, ready(Reason.SCALED_TO_ZERO, _scaled_to_zero(pool))
    if replicas.complete:
        return WorkerPoolPhase.READY, ready(Reason.WORKERS_READY, counted)
    if pool.startup_problem:
        return WorkerPoolPhase.SCALING, reconciling(Reason.WORKERS_NOT_STARTING, pool.startup_problem)
    return WorkerPoolPhase.SCALING, reconciling(Reason.SCALING, counted)


def _scaled_to_zero(pool: PoolState) -> str:
    if pool.autoscaled:
        return "No workers are wanted until a task comes."
    return "No workers are wanted: raise spec.replicas to have some."


def _scaling_active(pool: PoolState) -> Fact:
    if pool.unreachable_since is None:
        message = "The number of workers follows the queues."
        return Fact(ConditionType.SCALING_ACTIVE, ConditionStatus.TRUE, Reason.FOLLOWING_QUEUES, message)
    held = f"The queues cannot be read, so the number of workers stays {pool.replicas.desired}"
    message = f"{held}: see whether Redis runs and can be reached."
    return Fact(ConditionType.SCALING_ACTIVE, ConditionStatus.FALSE, Reason.QUEUE_UNREACHABLE, message)


def _scaling_limited(pool: PoolState) -> list[Fact]:
    if pool.decision is None:
        return []
    limits, limited = policy(pool.spec), ConditionType.SCALING_LIMITED
    match pool.decision.limit:
        case Limit.TOO_MANY_TASKS:
            message = f"The queues ask for more than maxReplicas, {limits.max_replicas} workers."
            return [Fact(limited, ConditionStatus.TRUE, Reason.TOO_MANY_TASKS, message)]
        case Limit.TOO_FEW_TASKS:
            message = f"The queues ask for fewer than minReplicas, {limits.min_replicas} workers."
            return [Fact(limited, ConditionStatus.TRUE, Reason.TOO_FEW_TASKS, message)]
        case None:
            message = "The queues get the workers that they ask for."
            return [Fact(limited, ConditionStatus.FALSE, Reason.WITHIN_LIMITS, message)]


def worth_writing(before: WorkerPoolStatus, new: WorkerPoolStatus, since: float) -> bool:
    """Return whether to write `new` over `before`: conditions and replicas at once, numbers of queues later.

    Args:
        before: as last written.
        new: as it is now.
        since: seconds since the last write.
    """
    if _without_load(before) != _without_load(new):
        return True
    if since >= COUNTS_SECONDS and _counts(before) != _counts(new):
        return True
    return since >= SMOOTHED_SECONDS and any(_moved(*pair) for pair in _smoothed_pairs(before, new))


def _counts(status: WorkerPoolStatus) -> tuple[list[tuple[str, int | None]], int | None]:
    return [(queue.name, queue.depth) for queue in status.queues], status.running


def _smoothed_pairs(before: WorkerPoolStatus, new: WorkerPoolStatus) -> list[tuple[float | None, float | None]]:
    waits = {queue.name: queue.oldest_seconds for queue in before.queues}
    return [
        (before.arrivals_per_second, new.arrivals_per_second),
        (before.seconds_per_task, new.seconds_per_task),
        (before.drain_seconds, new.drain_seconds),
        *((waits.get(queue.name), queue.oldest_seconds) for queue in new.queues),
    ]


def _moved(before: float | None, new: float | None) -> bool:
    if before is None or new is None:
        return before is not new
    return abs(new - before) > MATERIAL * max(abs(before), abs(new))


def scaled_event(pool: PoolState, before: int, after: int) -> Event:
    """Return the Event of a changed number of workers."""
    rose = after > before
    generation = pool.deployment.generation if pool.deployment else 0
    return Event(
        regarding=pool.resource,
        reason="ScaledUp" if rose else "ScaledDown",
        message=f"From {before} to {after} workers: {_why_scaled(pool, rose=rose)}.",
        occasion=str(generation),
    )


def _why_scaled(pool: PoolState, *, rose: bool) -> str:
    if not pool.autoscaled:
        return "spec.replicas says so"
    if pool.unreachable_since is not None:
        return "spec.autoscaling.minReplicas says so"
    waiting, running = sum(load.depth for load in pool.loads), sum(load.running for load in pool.loads)
    if rose or waiting or running:
        return f"{waiting} tasks wait and {running} run"
    return "no task came for a while"


def at_limit_event(pool: PoolState, since: float) -> Event:
    """Return the Event of a pool that has needed more workers than allowed for long."""
    most = policy(pool.spec).max_replicas
    return Event(
        regarding=pool.resource,
        reason="PoolAtLimit",
        message=f"For {AT_LIMIT_SECONDS:.0f} seconds the queues have asked for more than {most} workers; tasks wait. "
        "Raise spec.autoscaling.maxReplicas, or targetDrainSeconds where waiting is well.",
        warning=True,
        occasion=f"{since:.0f}",
    )


def unreachable_event(pool: PoolState, since: float, error: str) -> Event:
    """Return the Event of queues that cannot be read."""
    return Event(
        regarding=pool.resource,
        reason="QueueUnreachable",
        message=f"The queues cannot be read, so the number of workers is held: {error}",
        warning=True,
        occasion=f"{since:.0f}",
    )


def gauges(pool: PoolState) -> PoolGauges:
    """Return the metrics of a pool."""
    return PoolGauges(
        tier=pool.tier,
        replicas=pool.replicas,
        max_replicas=policy(pool.spec).max_replicas,
        running=sum(load.running for load in pool.loads),
        drain_seconds=pool.decision.drain_seconds if pool.decision else 0.0,
        scaling_active=pool.unreachable_since is None if pool.autoscaled else None,
        limit=pool.decision.limit if pool.decision and pool.autoscaled else None,
        queues=tuple(_queue_gauges(load) for load in pool.loads),
    )


def _queue_gauges(load: QueueLoad) -> QueueGauges:
    return QueueGauges(
        load.name, load.depth, load.oldest_seconds or 0.0, load.arrivals_per_second, load.seconds_per_task
    )
