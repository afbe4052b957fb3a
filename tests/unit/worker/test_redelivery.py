"""Messages whose child process gave up or died: requeued, or dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from celery.exceptions import Reject
from celery.worker import state
from celery.worker.request import Request
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.queue import InMemoryQueue
from tests.unit.worker.celery_parts import Channel, information, request_of
from tests.unit.worker.simple_task import QUEUE, RUN, Clock, task
from twin_operator.adapters.redis_queue.bad_records import BadRecords
from twin_operator.adapters.redis_queue.delivery import Check
from twin_operator.worker.draining import DRAINING, Draining
from twin_operator.worker.redelivery import EXHAUSTED, UNREADABLE, giving_up, requests_that
from twin_operator.worker.transport import Guard


@dataclass
class Parent:
    """A parent process whose child held a run."""

    channel: Channel = field(default_factory=Channel)
    error: Exception | None = None
    order: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = InMemoryQueue(Clock())
        self.claims = self.queue.claims("one")
        self.claims.claim(task())
        self.draining = Draining(self.claims.draining)
        self.letters = InMemoryDeadLetters(self.queue.server)

    def request(self) -> Any:
        """Return the request of the run, whose child works."""
        guard = Guard(Check(None, 60), self.letters, "one", lambda _reason: None, BadRecords(self.found.append))
        kind: type[Request] = requests_that(self.draining, guard.put_aside, guard.drop_record, self._end)
        request = request_of(kind, task(), channel=self.channel)
        state.task_reserved(request)
        state.task_accepted(request)
        return request

    def leased(self) -> bool:
        record = self.queue.server.record(RUN)
        return record is not None and record.lease is not None

    def _end(self, run: str, queue: str) -> bool:
        if self.error is not None:
            raise self.error
        assert self.channel.ended == []  # before the message is back
        return self.claims.end_attempt_of_worker(run, queue)


@pytest.fixture
def parent() -> Iterator[Parent]:
    yield Parent()
    state.reset_state()


def test_the_message_of_a_child_that_died_is_back_after_its_lease_has_ended(parent: Parent) -> None:
    parent.request().on_failure(information(WorkerLostError("signal 9")))
    assert parent.channel.ended == ["requeued"]
    assert not parent.leased()


def test_the_attempt_of_a_child_that_died_stays_counted(parent: Parent) -> None:
    parent.request().on_failure(information(WorkerLostError("signal 9")))
    assert parent.claims.attempts(RUN) == 1


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), RuntimeError("a fault of ours")])
def test_the_message_of_a_lease_that_cannot_be_ended_is_left_to_its_visibility_timeout(
    parent: Parent, error: Exception
) -> None:
    parent.error, request = error, parent.request()
    request.on_failure(information(WorkerLostError("signal 9")))
    assert parent.channel.ended == ["left"]
    assert len(state.reserved_requests) == 0


def test_a_dead_letter_that_cannot_be_made_keeps_neither_the_message_nor_the_place_of_its_child(parent: Parent) -> None:
    request = parent.request()
    parent.queue.reachable = False
    request.on_failure(information(giving_up(EXHAUSTED)))
    assert parent.channel.ended == ["rejected"]
    assert len(state.reserved_requests) == 0


class Refusing(InMemoryDeadLetters):
    """Takes no dead letter, by a fault of ours."""

    def add(self, *_letter: object) -> str:
        raise RuntimeError("a fault of ours")


def test_a_fault_in_making_a_dead_letter_keeps_no_place_either(parent: Parent) -> None:
    parent.letters = Refusing(parent.queue.server)
    request = parent.request()
    with pytest.raises(RuntimeError):
        request.on_failure(information(giving_up(EXHAUSTED)))
    assert parent.channel.ended == ["rejected"]
    assert len(state.reserved_requests) == 0


def test_the_lease_stays_where_another_child_works_on_the_same_run(parent: Parent) -> None:
    lost, other = parent.request(), parent.request()
    lost.on_failure(information(WorkerLostError("signal 9")))
    assert parent.leased()
    assert other in state.active_requests


def test_a_draining_worker_drains_at_once_and_its_message_goes_back(parent: Parent) -> None:
    parent.request().on_failure(information(giving_up(DRAINING)))
    assert parent.draining.active is True
    assert parent.channel.ended == ["requeued"]


def test_the_message_of_an_exhausted_run_becomes_a_dead_letter(parent: Parent) -> None:
    parent.request().on_failure(information(giving_up(EXHAUSTED)))
    (letter,) = parent.letters.newest(2)
    assert (letter.reason, letter.queue, letter.run, letter.worker) == ("Exhausted", QUEUE, RUN, "one")
    assert parent.channel.ended == ["rejected"]
    assert parent.draining.active is False


def test_the_message_of_a_run_whose_record_could_not_be_read_goes_back_and_is_counted(parent: Parent) -> None:
    parent.request().on_failure(information(giving_up(UNREADABLE)))
    assert parent.found == ["run"]
    assert (parent.channel.ended, list(parent.letters.newest(2))) == (["requeued"], [])


def test_a_message_that_goes_back_because_redis_was_away_is_no_dead_letter(parent: Parent) -> None:
    parent.request().on_failure(information(Reject("ConnectionError()", requeue=True)))
    assert list(parent.letters.newest(2)) == []
    assert (parent.channel.ended, parent.draining.active) == (["requeued"], False)


def test_an_error_of_the_task_itself_is_acknowledged_and_ends_no_lease(parent: Parent) -> None:
    parent.request().on_failure(information(ValueError("unexpected")))
    assert parent.channel.ended == ["acknowledged"]
    assert parent.leased()


@pytest.mark.parametrize(("verdict", "requeue"), [(DRAINING, True), (EXHAUSTED, False)])
def test_a_verdict_that_gives_up_says_whether_the_message_goes_back(verdict: str, *, requeue: bool) -> None:
    rejection: Any = giving_up(verdict)
    assert (rejection.reason, rejection.requeue) == (verdict, requeue)
