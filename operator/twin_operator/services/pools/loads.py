"""From readings of queues to the loads that scaling decides on: rates are smoothed, what is unknown is assumed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twin_operator.domain.scaling import ARRIVALS_MEMORY_SECONDS, QueueLoad, ScalingPolicy
from twin_operator.services.pools.ports import QueueReading
from twin_operator.services.runs.run import JSON

UNKNOWN_SECONDS: Final = 1.0
"""Of a task until one has ended: a Simulation takes less, and a queue of unknown ones is not to fill the cluster."""
UNKNOWN_BY_QUEUE: Final = {"training": 60.0}


@dataclass(frozen=True)
class Arrivals:
    """Tasks published into one queue.

    Attributes:
        published: how many ever.
        at: as of when, seconds since the epoch.
        per_second: the smoothed rate.
        arrived: how many since the look before.
    """

    published: int
    at: float
    per_second: float = 0.0
    arrived: int = 0


def smoothed(before: Arrivals | None, published: int, now: float) -> Arrivals:
    """Return the arrivals after one more look; a counter that went back (an emptied Redis) began at zero."""
    if before is None:
        return Arrivals(published, now)
    elapsed = now - before.at
    if elapsed <= 0:
        return before
    came = published - before.published if published >= before.published else published
    weight = 1 - math.exp(-elapsed / ARRIVALS_MEMORY_SECONDS)
    return Arrivals(published, now, before.per_second + weight * (came / elapsed - before.per_second), came)


def all_smoothed(before: Mapping[str, Arrivals], readings: Sequence[QueueReading], now: float) -> dict[str, Arrivals]:
    """Return the arrivals of every queue that was read."""
    return {each.name: smoothed(before.get(each.name), each.published, now) for each in readings}


def load_of(reading: QueueReading, arrivals: Arrivals) -> QueueLoad:
    """Return what scaling is to know of a queue; a delivered message that nobody has claimed still waits."""
    assumed = UNKNOWN_BY_QUEUE.get(reading.name, UNKNOWN_SECONDS)
    return QueueLoad(
        name=reading.name,
        depth=reading.depth + reading.unclaimed,
        running=len(reading.workers),
        arrivals_per_second=arrivals.per_second,
        seconds_per_task=reading.seconds_per_task if reading.seconds_per_task is not None else assumed,
        oldest_seconds=reading.oldest_seconds,
        arrived=arrivals.arrived,
        assumed=reading.seconds_per_task is None,
    )


def policy(spec: JSON) -> ScalingPolicy:
    """Return how a pool is scaled; a fixed number of workers is both limits."""
    scaling, fixed = spec.get("autoscaling"), spec.get("replicas", 1)
    given = scaling or {"minReplicas": fixed, "maxReplicas": fixed, "scaleDownStabilizationSeconds": 0}
    return ScalingPolicy(
        concurrency=spec.get("concurrency", 1),
        min_replicas=given.get("minReplicas", 0),
        max_replicas=given["maxReplicas"],
        target_drain_seconds=given.get("targetDrainSeconds", 30),
        stabilization_seconds=given.get("scaleDownStabilizationSeconds", 60),
    )
