"""How many workers a pool wants: up at once, down to the highest want of the stabilisation window.

Pure: what the queues hold, the policy and the clock in, one decision out. Which workers go, and when one may go, is
decided where Pods are known. `docs/autoscaling.md` explains the rule to users.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

HEADROOM = 1.2
"""Slots a unit of offered load: at 1.0 a queue with random arrivals grows without bound (M/M/c). A pool that has less
than this, but not less than the load, starts nothing: smoothed rates vary by about as much."""
ARRIVALS_MEMORY_SECONDS = 30.0
"""Time constant of the smoothed arrivals: short enough to follow a load, long enough for a rate of some tasks."""
LONGEST_STEADY_SECONDS = ARRIVALS_MEMORY_SECONDS / HEADROOM
"""A task counts as no longer than this in the offered load. One arrival leaves a rate of at most 1/memory behind, so n
tasks that come at once never ask for more than n slots by it; one of an hour would else ask for 144. Tasks that are
longer hold their slots by running."""
LATE = 1.5
"""Multiples of targetDrainSeconds after which a message that still waits refutes the estimate: once is what was aimed
at, and the start of a Pod takes some of the rest."""
ROUNDING = 1e-9
"""Slots. Sums of products that should be whole come out a little above."""


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
        arrivals_per_second: smoothed over ARRIVALS_MEMORY_SECONDS.
        seconds_per_task: smoothed; an assumption until a task has ended.
        oldest_seconds: wait of the oldest message, where known.
        arrived: tasks that arrived since the previous poll; short ones start and end between two polls.
        assumed: whether seconds_per_task is an assumption, on which no running worker is trusted to be free soon.
    """

    name: str
    depth: int
    running: int
    arrivals_per_second: float
    seconds_per_task: float
    oldest_seconds: float | None = None
    arrived: int = 0
    assumed: bool = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits, runs, or came and went."""
        return not (self.depth or self.running or self.arrived)


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
    """How many workers one poll of the queues asked for, before the limits; `at` in seconds since the epoch.

    It is valid until the next poll.
    """

    at: float
    replicas: int


@dataclass(frozen=True)
class ScalingDecision:
    """What is wanted now.

    Attributes:
        replicas: workers wanted, within the limits; fewer than there are only as fast as workers become idle.
        limit: why that is not what the queues ask for.
        drain_seconds: until what waits has been taken up by the workers wanted; 0 where nothing waits.
        window: the polls that the next decision needs.
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
        window: the polls of earlier decisions; empty at the first, which then holds what there is for one window.
        now: seconds since the epoch.
    """
    asked = _workers(policy, loads, HEADROOM)
    looks = _standing(policy, (*_earlier(window, current, now), Want(now, asked)))
    short = _workers(policy, loads, 1.0) > current
    wanted = asked if short else min(current, max(look.replicas for look in looks))
    replicas = min(max(wanted, policy.min_replicas), policy.max_replicas)
    return ScalingDecision(replicas, _limit(policy, asked, wanted), _drain_seconds(policy, loads, replicas), looks)


def _earlier(window: Sequence[Want], current: int, now: float) -> tuple[Want, ...]:
    """Return the polls before now: a clock that was set back leaves later ones, which could hold a pool for hours."""
    return tuple(look for look in window if look.at <= now) or (Want(now, current),)


def _standing(policy: ScalingPolicy, looks: Sequence[Want]) -> tuple[Want, ...]:
    """Return those that stood at some moment of the window: the last before a pause in reading stands through it."""
    start = looks[-1].at - policy.stabilization_seconds
    return (*(look for look, following in pairwise(looks) if following.at > start), looks[-1])


def _workers(policy: ScalingPolicy, loads: Sequence[QueueLoad], headroom: float) -> int:
    if all(load.idle for load in loads):
        return 0  # a smoothed rate never quite vanishes: what came lately is kept by the window alone
    slots = max(_occupied(policy, loads), _whole(headroom * _offered(loads)))
    return max(math.ceil(slots / policy.concurrency), 1)


def _occupied(policy: ScalingPolicy, loads: Sequence[QueueLoad]) -> int:
    """Return the slots that run tasks, and those that it needs more to take up what waits in targetDrainSeconds."""
    depth, running = sum(load.depth for load in loads), sum(load.running for load in loads)
    share = [min(1.0, load.seconds_per_task / policy.target_drain_seconds) for load in loads]
    waiting = sum(load.depth * used for load, used in zip(loads, share, strict=True))
    free_soon = sum(load.running * (1.0 - used) for load, used in zip(loads, share, strict=True) if not load.assumed)
    need = max(0, _whole(waiting - free_soon))
    if _late(policy, loads):
        # Doubling finds the right number in a few starts of Pods, however wrong the estimate was.
        need = min(max(need, running), depth)
    return running + need


def _late(policy: ScalingPolicy, loads: Sequence[QueueLoad]) -> bool:
    return any((load.oldest_seconds or 0.0) > LATE * policy.target_drain_seconds for load in loads)


def _offered(loads: Sequence[QueueLoad]) -> float:
    """Return tasks at a time if all went on as smoothed (Little 1961), with long ones cut."""
    return sum(load.arrivals_per_second * min(load.seconds_per_task, LONGEST_STEADY_SECONDS) for load in loads)


def _whole(slots: float) -> int:
    return math.ceil(slots - ROUNDING)


def _limit(policy: ScalingPolicy, asked: int, wanted: int) -> Limit | None:
    if asked > policy.max_replicas:
        return Limit.TOO_MANY_TASKS
    return Limit.TOO_FEW_TASKS if wanted < policy.min_replicas else None


def _drain_seconds(policy: ScalingPolicy, loads: Sequence[QueueLoad], replicas: int) -> float:
    work = sum(load.depth * load.seconds_per_task for load in loads)
    return work / max(1, replicas * policy.concurrency)
