"""A task, and a queue that holds it, for tests of the worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.fakes.queue import Delivery, InMemoryQueue
from twin_operator.services.runs.run import Target, Task, TaskKind

RUN = "4f6c8d5e-run"
QUEUE = "simulations"
START = 1_000_000.0  # seconds since the epoch: any moment does


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = START

    def __call__(self) -> float:
        return self.now


def task(**changes: Any) -> Task:
    """Return a task of two attempts."""
    values: dict[str, Any] = {"payload": {}, "attempt_limit": 2, "run": RUN, "kind": TaskKind.SIMULATE, **changes}
    return Task(queue=QUEUE, target=Target("Simulation", "n", "s", RUN), **values)


def published(queue: InMemoryQueue, work: Task) -> Delivery:
    """Publish a task and have the worker `one` take it; return the delivery."""
    asyncio.run(queue.publish([work]))
    return taken(queue)


def taken(queue: InMemoryQueue, worker: str = "one") -> Delivery:
    """Have a worker take the next message."""
    delivery = queue.take([QUEUE], worker)
    assert delivery is not None
    return delivery
