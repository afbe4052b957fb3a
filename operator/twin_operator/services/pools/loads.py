"""From readings of queues to the loads that scaling decides on: smoothed rates, and assumptions where nothing is known.

What a spec says about scaling is here too. The decision itself is in `domain.scaling`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twin_operator.api.v1alpha1.worker_pool import WorkerPoolSpec
from twin_operator.domain.scaling import ARRIVALS_MEMORY_SECONDS, QueueLoad, ScalingPolicy
from twin_operator.services.pools.ports import QueueReading

ASSUMED_SECONDS: Final = 1.0
"""Of a task until one has ended: a Simulation takes less, and tasks of unknown length must not fill the cluster."""
ASSUMED_SECONDS_BY_QUEUE: Final = {"training": 60.0}


@dataclass(frozen=True)
class Arrivals:
    """Tasks published into one queue.

    Attributes:
        published: how many ever.
        at: time of the reading, seconds since the epoch.
        per_second: the smoothed rate.
        arrived: how many since the reading before.
    """

    published: int
    at: float
    per_second: float = 0.0
    arrived: int = 0


def smoothed(before: Arrivals | None, published: int, now: float) -> Arrivals:
    """Return the arrivals after one more reading; a counter that went back (an emptied Redis) began at zero."""
    if before is None:
        return Arrivals(published, now)
    elapsed = now - before.at
    if elapsed <= 0:
        return before
    arrived = published - before.published if published >= before.published else published
    weight = 1 - math.exp(-elapsed / ARRIVALS_MEMORY_SECONDS)
    return Arrivals(published, now, before.per_second + weight * (arrived / elapsed - before.per_second), arrived)


def all_smoothed(before: Mapping[str, Arrivals], readings: Sequence[QueueReading], now: float) -> dict[str, Arrivals]:
    """Return the arrivals of every queue that was read."""
    return {each.name: smoothed(before.get(each.name), each.published, now) for each in readings}


def load_of(reading: QueueReading, arrivals: Arrivals, unpublished: int) -> QueueLoad:
    """Return the load of a queue: what is not claimed waits, and so do `unpublished` runs in the operator."""
    assumed = ASSUMED_SECONDS_BY_QUEUE.get(reading.name, ASSUMED_SECONDS)
    return QueueLoad(
        name=reading.name,
        depth=reading.depth + reading.unclaimed + unpublished,
        running=len(reading.workers),
        arrivals_per_second=arrivals.per_second,
        seconds_per_task=reading.seconds_per_task if reading.seconds_per_task is not None else assumed,
        oldest_seconds=reading.oldest_seconds,
        arrived=arrivals.arrived,
        assumed=reading.seconds_per_task is None,
    )


def policy(spec: WorkerPoolSpec) -> ScalingPolicy:
    """Return how a pool is scaled; a fixed number of workers is both limits, so no target and no window matter."""
    scaling = spec.autoscaling
    if scaling is None:
        return ScalingPolicy(spec.concurrency, spec.replicas, spec.replicas, math.inf, stabilization_seconds=0)
    return ScalingPolicy(
        concurrency=spec.concurrency,
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        target_drain_seconds=scaling.target_drain_seconds,
        stabilization_seconds=scaling.scale_down_stabilization_seconds,
    )
