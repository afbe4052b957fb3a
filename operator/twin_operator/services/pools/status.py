"""The status of a WorkerPool: what there is, what is wanted, what waits, and when it is worth a write. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, WorkerPoolPhase
from twin_operator.domain.scaling import Limit, QueueLoad, ScalingDecision
from twin_operator.services.pools.loads import policy
from twin_operator.services.pools.manifest import selector
from twin_operator.services.pools.pool import Pool
from twin_operator.services.pools.ports import PoolFigures, QueueFigures
from twin_operator.services.pools.scale_in import replicas_of
from twin_operator.services.reconciling.status import Fact, merge_conditions, ready, reconciling, stalled
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp

DIGITS: Final = 3  # significant, of smoothed figures: the rest is noise that would be written again and again
LEAST_RATE: Final = 0.01  # tasks a second: what is below it is the tail of a smoothing, not traffic


@dataclass(frozen=True)
class Crewed:
    """How many workers there are, are ready and are wanted."""

    there: int
    ready: int
    current: int
    wanted: int

    @property
    def complete(self) -> bool:
        """Whether all that are wanted are ready, in their newest form."""
        return self.ready >= self.wanted and self.current >= self.wanted


def crewed(pool: Pool) -> Crewed:
    """Return the workers of a pool by its Deployment."""
    status = (pool.deployment or {}).get("status") or {}
    return Crewed(
        there=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        current=status.get("updatedReplicas", 0),
        wanted=replicas_of(pool.deployment),
    )


def refused_status(pool: Pool, refused: list[Fact], now: float) -> JSON:
    """Return the status of a pool that is not taken; its Deployment, where it has one, is left alone."""
    none = {"queues": None, "running": None, **dict.fromkeys(("arrivalsPerSecond", "secondsPerTask", "drainSeconds"))}
    return {
        **_counts(pool),
        **none,
        "phase": WorkerPoolPhase.FAILED,
        "conditions": merge_conditions(pool.body, refused, now),
    }


def pool_status(pool: Pool, now: float) -> JSON:
    """Return the status of a pool that is taken."""
    phase, facts = _readiness(pool)
    if pool.autoscaled:
        facts = [*facts, _active(pool), *_limited(pool)]
    return {
        **_counts(pool),
        **_figures(pool.loads, pool.decision),
        "phase": phase,
        "lastScaleTime": timestamp(pool.scaled),
        "conditions": merge_conditions(pool.body, facts, now),
    }


def seconds_per_task(loads: tuple[QueueLoad, ...]) -> float:
    """Return how long a task takes: over what waits, or over the queues where nothing does."""
    weights = [load.depth for load in loads] if any(load.depth for load in loads) else [1] * len(loads)
    seconds = sum(weight * load.seconds_per_task for weight, load in zip(weights, loads, strict=True))
    return seconds / sum(weights)


def rounded(value: float | None) -> float | None:
    """Round to what is worth writing."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _counts(pool: Pool) -> JSON:
    crew = crewed(pool)
    return {
        "observedGeneration": pool.body["metadata"].get("generation", 1),
        "replicas": crew.there,
        "readyReplicas": crew.ready,
        "desiredReplicas": crew.wanted,
        "selector": selector(pool.key[1]),
    }


def _figures(loads: tuple[QueueLoad, ...], decision: ScalingDecision | None) -> JSON:
    if not loads:
        return {}
    arrivals = sum(load.arrivals_per_second for load in loads)
    return {
        "queues": [_queue(load) for load in loads],
        "running": sum(load.running for load in loads),
        "arrivalsPerSecond": rounded(arrivals) if arrivals >= LEAST_RATE else 0.0,
        "secondsPerTask": rounded(seconds_per_task(loads)),
        "drainSeconds": rounded(decision.drain_seconds) if decision else None,
    }


def _queue(load: QueueLoad) -> JSON:
    waits = {} if load.oldest_seconds is None else {"oldestSeconds": rounded(load.oldest_seconds)}
    return {"name": load.name, "depth": load.depth, **waits}


def _readiness(pool: Pool) -> tuple[str, list[Fact]]:
    crew = crewed(pool)
    if pool.refused is not None:
        rest = " The workers of the earlier template go on." if crew.there else ""
        message = f"The Deployment was refused: {pool.refused.message}"[:1000]
        return "Failed", stalled(Reason.INVALID_TEMPLATE, message + rest)
    if crew.wanted == 0:
        return "Idle", ready(Reason.SCALED_TO_ZERO, _idle(pool))
    if crew.complete:
        return "Ready", ready(Reason.WORKERS_READY, f"{crew.ready} of {crew.wanted} workers are ready.")
    if pool.trouble:
        return "Scaling", reconciling(Reason.WORKERS_NOT_STARTING, pool.trouble)
    return "Scaling", reconciling(Reason.SCALING, f"{crew.ready} of {crew.wanted} workers are ready.")


def _idle(pool: Pool) -> str:
    if pool.autoscaled:
        return "No workers are wanted until a task comes."
    return "No workers are wanted: raise spec.replicas to have some."


def _active(pool: Pool) -> Fact:
    if pool.unreachable_since is None:
        return Fact(
            ConditionType.SCALING_ACTIVE,
            ConditionStatus.TRUE,
            Reason.FOLLOWING_QUEUES,
            "The number of workers follows the queues.",
        )
    held = f"The queues cannot be read, so the number of workers stays {replicas_of(pool.deployment)}"
    return Fact(
        ConditionType.SCALING_ACTIVE,
        ConditionStatus.FALSE,
        Reason.QUEUE_UNREACHABLE,
        f"{held}: see whether Redis runs and can be reached.",
    )


def _limited(pool: Pool) -> list[Fact]:
    if pool.decision is None:
        return []
    scaling = pool.spec["autoscaling"]
    match pool.decision.limit:
        case Limit.TOO_MANY_TASKS:
            more = f"The queues ask for more than maxReplicas, {scaling['maxReplicas']} workers."
            return [Fact(ConditionType.SCALING_LIMITED, ConditionStatus.TRUE, Reason.TOO_MANY_TASKS, more)]
        case Limit.TOO_FEW_TASKS:
            fewer = f"The queues ask for fewer than minReplicas, {scaling.get('minReplicas', 0)} workers."
            return [Fact(ConditionType.SCALING_LIMITED, ConditionStatus.TRUE, Reason.TOO_FEW_TASKS, fewer)]
        case _:
            return [
                Fact(
                    ConditionType.SCALING_LIMITED,
                    ConditionStatus.FALSE,
                    Reason.WITHIN_LIMITS,
                    "The queues get the workers that they ask for.",
                )
            ]


COUNTS_SECONDS: Final = 4.5  # between writes of depths and running tasks: five seconds to the eye, with a look every 2


SMOOTHED_SECONDS: Final = 15.0  # between writes of rates alone


MATERIAL: Final = 0.1  # share by which a smoothed figure moved


SMOOTHED: Final = ("arrivalsPerSecond", "secondsPerTask", "drainSeconds")


FIGURES: Final = frozenset({*SMOOTHED, "queues", "running"})


def worth_writing(before: JSON, new: JSON, since: float) -> bool:
    """Return whether to write `new` over `before`, of which `since` seconds ago something was written."""
    if any(before.get(key) != value for key, value in new.items() if key not in FIGURES):
        return True
    if since >= COUNTS_SECONDS and _shown_counts(before, new) != _shown_counts(new, new):
        return True
    return since >= SMOOTHED_SECONDS and any(_moved(*pair) for pair in _pairs(before, new))


def _shown_counts(status: JSON, like: JSON) -> list[Any]:
    depths = [(queue["name"], queue.get("depth")) for queue in status.get("queues") or ()]
    return [depths if "queues" in like else None, status.get("running") if "running" in like else None]


def _pairs(before: JSON, new: JSON) -> list[tuple[float | None, float | None]]:
    waits = {queue["name"]: queue.get("oldestSeconds") for queue in before.get("queues") or ()}
    oldest = [(waits.get(queue["name"]), queue.get("oldestSeconds")) for queue in new.get("queues") or ()]
    return [*((before.get(key), new[key]) for key in SMOOTHED if key in new), *oldest]


def _moved(before: float | None, new: float | None) -> bool:
    if before is None or new is None:
        return before is not new
    return abs(new - before) > MATERIAL * max(abs(before), abs(new))


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
        queues=tuple(_queue_figures(load) for load in pool.loads),
    )


def _queue_figures(load: QueueLoad) -> QueueFigures:
    return QueueFigures(
        load.name, load.depth, load.oldest_seconds or 0.0, load.arrivals_per_second, load.seconds_per_task
    )
