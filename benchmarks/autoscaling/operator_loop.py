"""What the operator does around the real `decide`: reads the queue, smooths, and removes idle workers only."""

import math
from dataclasses import dataclass, field

from benchmarks.autoscaling.clock import Clock
from benchmarks.autoscaling.pool import Pool, Task
from twin_operator.domain.scaling import ARRIVALS_MEMORY_SECONDS, QueueLoad, ScalingPolicy, Want, decide

POLL_SECONDS = 2.0  # autoscaling.pollSeconds by default
PRIOR_SECONDS = 1.0  # of a task, until one has ended; 60 on the queue for training
PACE_WEIGHT = 0.2  # of the newest task in the smoothed seconds a task; the first one sets it
TARGET_DRAIN_SECONDS = 30.0  # autoscaling.targetDrainSeconds by default
STABILIZATION_SECONDS = 60.0  # autoscaling.scaleDownStabilizationSeconds by default


def policy(max_replicas: int) -> ScalingPolicy:
    """Return the defaults of a pool that may go to zero."""
    return ScalingPolicy(
        concurrency=1,
        min_replicas=0,
        max_replicas=max_replicas,
        target_drain_seconds=TARGET_DRAIN_SECONDS,
        stabilization_seconds=STABILIZATION_SECONDS,
    )


@dataclass
class Operator:
    """One pool's scaling by twin-operator."""

    pool: Pool
    policy: ScalingPolicy
    prior_seconds: float = PRIOR_SECONDS
    window: tuple[Want, ...] = ()
    wanted: int = 0
    _rate: float = 0.0
    _pace: float | None = None
    _known: tuple[int, int] = field(default=(0, 0))  # arrived and finished tasks at the last reading

    def begin(self, clock: Clock, phase: float) -> None:
        """Poll every two seconds; `phase` in [0, 1) is where in its interval the start of the simulation falls."""
        clock.every(POLL_SECONDS, phase * POLL_SECONDS, self._look)

    def _look(self) -> None:
        decision = decide(self.policy, (self._load(),), self.wanted, self.window, self.pool.clock.now)
        self.window, self.wanted = decision.window, decision.replicas
        excess = len(self.pool.staying) - self.wanted
        idle = [worker for worker in reversed(self.pool.workers) if worker.idle]
        if excess < 0:
            self.pool.grow(-excess)
        elif excess and idle:
            self.pool.dismiss(idle[:excess], grace_seconds=0.0)

    def _load(self) -> QueueLoad:
        pool, now = self.pool, self.pool.clock.now
        new, ended = len(pool.arrived) - self._known[0], pool.finished[self._known[1] :]
        self._known = (len(pool.arrived), len(pool.finished))
        self._follow_arrivals(new)
        self._follow_pace(ended)
        return QueueLoad(
            name="tasks",
            depth=len(pool.waiting),
            running=len(pool.busy),
            arrivals_per_second=self._rate,
            seconds_per_task=self._pace or self.prior_seconds,
            oldest_seconds=now - pool.waiting[0].arrival if pool.waiting else None,
            arrived=new,
            assumed=self._pace is None,
        )

    def _follow_arrivals(self, new: int) -> None:
        weight = 1.0 - math.exp(-POLL_SECONDS / ARRIVALS_MEMORY_SECONDS)
        self._rate += weight * (new / POLL_SECONDS - self._rate)

    def _follow_pace(self, ended: list[Task]) -> None:
        for task in ended:
            pace = self._pace if self._pace is not None else task.seconds
            self._pace = pace + PACE_WEIGHT * (task.seconds - pace)
