"""The in-memory queue keeps the contract of the queue."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest

from tests.contracts.queue import *  # noqa: F403 - the tests
from tests.contracts.queue_claims import *  # noqa: F403 - likewise
from tests.contracts.queue_outage import *  # noqa: F403 - likewise
from tests.contracts.queue_readings import *  # noqa: F403 - likewise
from tests.contracts.queue_system import QUEUE, QueueSystem, Taken, task
from tests.fakes.claims import InMemoryClaims
from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.loads import InMemoryLoads
from tests.fakes.outbox import InMemoryOutbox
from tests.fakes.queue import Delivery, InMemoryQueue, message_of
from tests.fakes.redis_content import Unacknowledged
from twin_operator.services.runs.run import Stop

START = 1_772_000_000.25  # seconds since the epoch


@dataclass
class InMemoryConsumer:
    """A worker that takes messages of an in-memory queue."""

    queue: InMemoryQueue
    taken: dict[str, Delivery] = field(default_factory=dict)

    def take(self, queues: Collection[str]) -> Taken | None:
        delivery = self.queue.take(queues, "worker")
        if delivery is not None:
            self.taken[delivery.tag] = delivery
        return delivery

    def acknowledge(self, taken: Taken) -> None:
        self.queue.settle(self.taken[taken.tag])

    def requeue(self, taken: Taken) -> None:
        self.queue.die(self.taken[taken.tag])

    def restore(self, taken: Taken) -> None:
        self.queue.give_back(self.taken[taken.tag])


class InMemorySystem:
    """The fakes on one clock."""

    def __init__(self) -> None:
        self.now = START
        self.queue = InMemoryQueue(lambda: self.now, run_ttl_seconds=60)
        self.loads = InMemoryLoads(self.queue)
        self.outbox = InMemoryOutbox(self.queue)
        self.letters: InMemoryDeadLetters = self.queue.dead_letters

    def on_publish(self, call: Callable[[Collection[str]], None]) -> None:
        self.queue.on_publish = call

    def claims(self, worker: str = "worker") -> InMemoryClaims:
        return self.queue.claims(worker)

    def consumer(self) -> InMemoryConsumer:
        return InMemoryConsumer(self.queue)

    def end_leases(self, queue: str) -> None:  # noqa: ARG002 - time passes for all queues
        self.now += self.queue.lease_seconds

    def begin_earlier(self, run: str, seconds: float) -> None:
        self.queue.server.written_record(run).attempt_started = self.now - seconds

    def pass_visibility_timeout(self, *tags: str) -> None:
        delivered = self.queue.server.content().unacknowledged
        for number, tag in enumerate(tags):
            delivered[tag].since -= self.queue.visibility_timeout + len(tags) - number

    def life(self, run: str) -> float:
        record = self.queue.server.record(run)
        return 0.0 if record is None else record.expires - self.now

    def flush(self) -> None:
        self.queue.flush()

    def push(self, queue: str, message: bytes) -> None:
        self.queue.push(queue, message)

    def report(self, content: bytes) -> None:
        self.queue.server.append_report(content)

    def deliver(self, content: bytes) -> None:
        self.queue.server.content().unacknowledged["tag"] = Unacknowledged(content, "", self.now)

    def bad_records(self) -> list[str]:
        return self.queue.bad_records

    def sound_message(self) -> bytes:
        return message_of(task(), self.now)


@pytest.fixture
def system() -> QueueSystem:
    return InMemorySystem()


@pytest.fixture
def away() -> QueueSystem:
    system = InMemorySystem()
    system.queue.reachable = False
    return system


async def test_a_message_that_is_older_than_a_record_is_not_delivered_while_its_stop_is_kept() -> None:
    system, work = InMemorySystem(), task()
    await system.queue.publish([work])
    await system.queue.stop(work.run, Stop.CANCELLED)
    system.now += system.queue.run_ttl_seconds + 1
    assert system.claims().claim(work) == Stop.CANCELLED
    assert system.consumer().take([QUEUE]) is None
    assert await system.queue.count_dead_letters() == 1
