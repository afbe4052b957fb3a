"""What the contract of the queue needs of a Redis, real or in memory, besides the ports."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from twin_operator.adapters.redis_queue.dead_letters import DeadLetter
from twin_operator.adapters.redis_queue.delivery import Refusal
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.archive.archiving import Outbox
from twin_operator.services.pools.ports import QueueLoads
from twin_operator.services.reconciling.ports import RunQueue
from twin_operator.services.runs.run import Outcome, Report, Run, Target, Task, TaskKind
from twin_operator.worker.leases import Leases
from twin_operator.worker.tasks import RunClaims


class ProcessClaims(RunClaims, Leases, Protocol):
    """All that `Claims` offers: to the child process, and to its parent."""

    def attempts(self, run: str) -> int: ...

    def give_back_of_worker(self, run: str, queue: str) -> bool: ...

    def end_attempt_of_worker(self, run: str, queue: str) -> bool: ...

    def draining(self) -> bool: ...


class Letters(Protocol):
    """The stream of dead letters."""

    def add(self, message: bytes, queue: str, refusal: Refusal, worker: str) -> str: ...

    def newest(self, count: int) -> Iterator[DeadLetter]: ...

    def find(self, entry: str) -> DeadLetter | None: ...

    def requeue(self, letter: DeadLetter) -> None: ...

    def purge(self) -> int: ...


class Taken(Protocol):
    """A message that was delivered and is not acknowledged."""

    @property
    def tag(self) -> str: ...

    @property
    def task(self) -> Task: ...


class Consumer(Protocol):
    """A Celery worker as far as messages go; a draining flag stops real workers elsewhere."""

    def take(self, queues: Collection[str]) -> Taken | None:
        """Take the next message."""
        ...

    def acknowledge(self, taken: Taken) -> None:
        """Be done with a message."""
        ...

    def requeue(self, taken: Taken) -> None:
        """Reject a message so that it is delivered again, as for a child that died."""
        ...

    def restore(self, taken: Taken) -> None:
        """Return a message as a worker does that stops."""
        ...


class QueueSystem(Protocol):
    """One Redis, its adapters, and what time and administrators do to it."""

    @property
    def queue(self) -> RunQueue: ...

    @property
    def loads(self) -> QueueLoads: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def letters(self) -> Letters: ...

    def on_publish(self, call: Callable[[Collection[str]], None]) -> None:
        """Have the queue call this with the queues that tasks went into."""
        ...

    def claims(self, worker: str = "worker") -> ProcessClaims:
        """Return the claims of a new process: leases of 10 s, records of 60 s."""
        ...

    def consumer(self) -> Consumer:
        """Return a worker that takes messages."""
        ...

    def end_leases(self, queue: str) -> None:
        """Let every lease of a queue run out."""
        ...

    def begin_earlier(self, run: str, seconds: float) -> None:
        """Have the latest attempt of a run begun some time ago."""
        ...

    def pass_visibility_timeout(self, *tags: str) -> None:
        """Have these deliveries unacknowledged for longer than the visibility timeout, the first for longest."""
        ...

    def life(self, run: str) -> float:
        """Return the time to live of a run's record in seconds; 0 without a record."""
        ...

    def flush(self) -> None:
        """Lose every key."""
        ...

    def push(self, queue: str, message: bytes) -> None:
        """Put bytes of another program into a queue."""
        ...

    def report(self, content: bytes) -> None:
        """Append bytes of another program to the results stream."""
        ...

    def deliver(self, content: bytes) -> None:
        """Put bytes of another program among the delivered messages."""
        ...

    def bad_records(self) -> list[str]:
        """Return the kinds of the records so far that could not be read."""
        ...

    def sound_message(self) -> bytes:
        """Return the bytes of a message that a worker would take."""
        ...


QUEUE = "simulations"
DONE = Outcome(Reason.SUCCEEDED, "done", {"effect": 1})


def task(limit: int = 2, **changes: Any) -> Task:
    """Return a task of a run of its own."""
    run = uuid.uuid4().hex
    fields: dict[str, Any] = {"kind": TaskKind.SIMULATE, "queue": QUEUE, "payload": {}, **changes}
    return Task(run=run, target=Target("Simulation", "n", "s", run), attempt_limit=limit, **fields)


async def run_of(system: QueueSystem, work: Task) -> Run:
    """Read the record of a run."""
    return (await system.queue.runs([work.run]))[work.run]


async def new_reports(system: QueueSystem) -> list[Report]:
    """Return what was reported since; the first read makes the consumer group and returns nothing."""
    return await system.queue.reports(pending=False, block_ms=1) or await system.queue.reports(
        pending=False, block_ms=1
    )


def taken(system: QueueSystem, *queues: str) -> Taken:
    """Take a message that is there."""
    found = system.consumer().take(queues or [QUEUE])
    assert found is not None
    return found
