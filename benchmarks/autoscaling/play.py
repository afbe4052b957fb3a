"""Playing a load on a pool under one way of scaling, and what is read off afterwards."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.autoscaling.clock import Clock
from benchmarks.autoscaling.pool import Pool, Task

PATIENCE_SECONDS = 7_200.0
"""After the last arrival: a load that is not done by then counts as never done."""
FLAP_SECONDS = 60.0
"""More replicas so soon after fewer is flapping: the stabilisation window is there so that it does not happen. Waking
from zero is not: a pool that may go to zero sleeps after an idle window, whatever comes next."""


class Scaler(Protocol):
    """A way of scaling a pool."""

    def begin(self, clock: Clock, phase: float) -> None:
        """Take up work; `phase` in [0, 1) is where in its interval the start of the simulation falls."""


@dataclass(frozen=True)
class Record:
    """What happened; times in seconds since the start."""

    waits: tuple[float, ...]
    done: float
    replicas: tuple[tuple[float, int], ...]
    worker_seconds: float
    killed: int

    @property
    def first_wanted(self) -> float:
        """When the first worker was wanted."""
        return self.replicas[1][0]

    @property
    def highest(self) -> int:
        """Most replicas at a time."""
        return max(replicas for _, replicas in self.replicas)

    @property
    def changes(self) -> int:
        """Changes of the number of replicas."""
        return len(self.replicas) - 1

    @property
    def flaps(self) -> int:
        """Times that it grew soon after it had shrunk, but not to zero."""
        return sum(
            before > low > 0 and low < after and grown - shrunk < FLAP_SECONDS
            for (_, before), (shrunk, low), (grown, after) in zip(
                self.replicas, self.replicas[1:], self.replicas[2:], strict=False
            )
        )

    def wait(self, percentile: float) -> float:
        """Return a percentile of the seconds in the queue."""
        return float(np.percentile(self.waits, percentile))


def play(tasks: Sequence[Task], scaler: Callable[[Pool], Scaler], phase: float) -> Record:
    """Play a load from an empty pool until all is done and no worker is left."""
    clock = Clock()
    pool = Pool(clock)
    for task in tasks:
        clock.at(task.arrival, _coming(pool, task))
    scaler(pool).begin(clock, phase)
    clock.run(tasks[-1].arrival + PATIENCE_SECONDS, lambda: len(pool.finished) == len(tasks) and not pool.workers)
    return _record(pool, clock.now)


def _coming(pool: Pool, task: Task) -> Callable[[], None]:
    return lambda: pool.submit(task)


def _record(pool: Pool, now: float) -> Record:
    lives = [(now if worker.gone is None else worker.gone) - worker.born for worker in pool.departed + pool.workers]
    return Record(
        waits=tuple(task.wait for task in pool.arrived),
        done=max(task.finished or math.inf for task in pool.arrived),
        replicas=tuple(pool.replicas),
        worker_seconds=sum(lives),
        killed=sum(task.kills > 0 for task in pool.arrived),
    )
