"""How many workers a pool wants: up at once, down to the highest want of the stabilisation window.

Pure: what the queues hold, the policy and the clock in, one decision out. Which workers go, and when one may go, is
decided where Pods are known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

HEADROOM = 1.2
"""Slots a unit of offered load: at 1.0 a queue with random arrivals grows without bound (M/M/c)."""
LEAST_LOAD = 0.5
"""Erlangs below which a quiet pool keeps no worker warm: one that is idle more than half of its time may go."""


class Limit(StrEnum):
    """Why a pool does not get what its queues ask for; the words of the condition ScalingLimited."""

    TOO_MANY_TASKS = "TooManyTasks"
    TOO_FEW_TASKS = "TooFewTasks"


@dataclass(frozen=True)
class QueueLoad:
    """One queue at one moment.

    Attributes:
        depth: messages that wait, over all priorities.
        running: tasks being done, by their leases.
        arrivals_per_second: smoothed.
        seconds_per_task: smoothed; an assumption until a task has ended.
        oldest_seconds: wait of the oldest message, where known.
    """

    name: str
    depth: int
    running: int
    arrivals_per_second: float
    seconds_per_task: float
    oldest_seconds: float | None = None


@dataclass(frozen=True)
class ScalingPolicy:
    """What the pool's spec says. Times in seconds."""

    concurrency: int
    min_replicas: int
    max_replicas: int
    target_drain_seconds: float
    stabilization_seconds: float


@dataclass(frozen=True)
class Want:
    """How many workers one look at the queues asked for, before the limits; `at` in seconds since the epoch."""

    at: float
    replicas: int


@dataclass(frozen=True)
class ScalingDecision:
    """What is wanted now.

    Attributes:
        replicas: workers wanted, within the limits; fewer than there are only as fast as workers become idle.
        limit: why that is not what the queues ask for.
        drain_seconds: until what waits has been taken up by the workers wanted; 0 where nothing waits.
        window: the looks that the next decision needs.
    """

    replicas: int
    limit: Limit | None
    drain_seconds: float
    window: tuple[Want, ...]


def decide(
    policy: ScalingPolicy, loads: Sequence[QueueLoad], current: int, window: Sequence[Want], now: float
) -> ScalingDecision:
    """Return how many workers are wanted.

    Args:
        policy: the limits and targets.
        loads: every queue of the pool.
        current: workers wanted until now.
        window: the looks of earlier decisions; empty at the first, which then holds what there is for one window.
        now: seconds since the epoch.
    """
    asked = _asked(policy, loads)
    earlier = window or (Want(now, current),)
    kept = (*(look for look in earlier if look.at > now - policy.stabilization_seconds), Want(now, asked))
    highest = max(look.replicas for look in kept)
    wanted = asked if asked >= current else min(current, highest)
    replicas = min(max(wanted, policy.min_replicas), policy.max_replicas)
    return ScalingDecision(replicas, _limit(policy, asked), _drain_seconds(policy, loads, replicas), kept)


def _asked(policy: ScalingPolicy, loads: Sequence[QueueLoad]) -> int:
    depth, running = sum(load.depth for load in loads), sum(load.running for load in loads)
    work = sum(load.depth * load.seconds_per_task for load in loads)
    need = min(depth, math.ceil(work / policy.target_drain_seconds))
    offered = sum(load.arrivals_per_second * load.seconds_per_task for load in loads)
    steady = math.ceil(HEADROOM * offered) if offered >= LEAST_LOAD else 0
    slots = max(running + need, steady)
    return max(math.ceil(slots / policy.concurrency), 1 if depth or running else 0)


def _limit(policy: ScalingPolicy, asked: int) -> Limit | None:
    if asked > policy.max_replicas:
        return Limit.TOO_MANY_TASKS
    return Limit.TOO_FEW_TASKS if asked < policy.min_replicas else None


def _drain_seconds(policy: ScalingPolicy, loads: Sequence[QueueLoad], replicas: int) -> float:
    work = sum(load.depth * load.seconds_per_task for load in loads)
    return work / max(1, replicas * policy.concurrency)
