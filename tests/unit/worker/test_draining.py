"""A draining worker asks for no message; Redis that is away changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.queue import InMemoryQueue
from tests.unit.worker.scripted_redis import Script, deliver, open_channel
from tests.unit.worker.simple_task import START, Clock
from twin_operator.adapters.redis_queue.bad_records import BadRecords
from twin_operator.adapters.redis_queue.delivery import Check
from twin_operator.settings import Settings
from twin_operator.worker.celery_app import create_app
from twin_operator.worker.draining import LOOK_SECONDS, Draining, stop_while_draining
from twin_operator.worker.transport import Guard


@pytest.fixture
def queue() -> InMemoryQueue:
    return InMemoryQueue(Clock())


@pytest.fixture
def draining(queue: InMemoryQueue) -> Draining:
    return Draining(queue.claims("one").draining)


@pytest.fixture
def channel(queue: InMemoryQueue) -> Iterator[Any]:
    script = Script()
    guard = Guard(
        Check(None, 60), InMemoryDeadLetters(queue.server), "one", lambda _reason: None, BadRecords(lambda _kind: None)
    )
    channel = open_channel(script, guard)
    yield channel
    channel.close()


def flag(queue: InMemoryQueue, worker: str = "one") -> None:
    queue.server.content().draining[worker] = START + 60


def step_of(draining: Draining) -> Any:
    """Return the step that is added to the consumer of a worker."""
    app = create_app(Settings(), ["simulations"])
    stop_while_draining(app, draining)
    (step,) = app.steps["consumer"]
    return step(SimpleNamespace())


def test_a_worker_without_a_flag_takes_messages(draining: Draining) -> None:
    draining.look()
    assert draining.active is False


def test_a_worker_drains_while_its_flag_stands(queue: InMemoryQueue, draining: Draining) -> None:
    flag(queue)
    draining.look()
    assert draining.active is True
    queue.server.content().draining.clear()
    draining.look()
    assert draining.active is False


def test_the_flag_of_another_worker_is_not_its_own(queue: InMemoryQueue, draining: Draining) -> None:
    flag(queue, "two")
    draining.look()
    assert draining.active is False


@pytest.mark.parametrize("active", [False, True])
def test_redis_that_is_away_changes_nothing(queue: InMemoryQueue, draining: Draining, *, active: bool) -> None:
    draining.active = active
    if not active:
        flag(queue)
    queue.reachable = False
    draining.look()
    assert draining.active is active


def test_a_change_is_logged_once(queue: InMemoryQueue, draining: Draining, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    flag(queue)
    draining.look()
    draining.look()
    assert caplog.text.count("drains and takes no more") == 1


def test_a_refused_claim_begins_it_before_the_next_look(draining: Draining) -> None:
    draining.begin()
    assert draining.active is True


def test_a_draining_worker_has_no_room_for_a_message(draining: Draining, channel: Any) -> None:
    step_of(draining).start(SimpleNamespace(task_consumer=SimpleNamespace(channel=channel)))
    assert channel.qos.can_consume() is True
    draining.begin()
    assert channel.qos.can_consume() is False


def test_a_worker_that_does_not_drain_keeps_its_prefetch_count(draining: Draining, channel: Any) -> None:
    step_of(draining).start(SimpleNamespace(task_consumer=SimpleNamespace(channel=channel)))
    deliver(channel, "first")
    assert channel.qos.can_consume() is False
    channel.basic_ack("first")


def test_the_flag_is_read_before_the_first_message_and_each_second(queue: InMemoryQueue, draining: Draining) -> None:
    flag(queue)
    repeated: list[tuple[float, Callable[[], None]]] = []
    hub = SimpleNamespace(call_repeatedly=lambda seconds, call: repeated.append((seconds, call)))
    step_of(draining).register_with_event_loop(SimpleNamespace(), hub)
    assert draining.active is True
    assert repeated == [(LOOK_SECONDS, draining.look)]


def test_it_is_set_up_after_the_consumer_that_it_stops(draining: Draining) -> None:
    assert step_of(draining).requires == ("celery.worker.consumer.tasks:Tasks",)
