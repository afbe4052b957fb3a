"""The lease thread renews what its process holds, and ends the process whose run is to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.fakes.claims import InMemoryClaims
from tests.fakes.queue import InMemoryQueue
from tests.fakes.redis_content import RunRecord
from tests.unit.worker.simple_task import RUN, Clock, published, task
from tests.unit.worker.waiting import until
from twin_operator.services.runs.run import Stop
from twin_operator.worker.leases import LeaseThread, Stopped

LEASE_SECONDS = 0.03  # renewed each 10 ms


@dataclass
class Child:
    """A child process that holds a run, with a clock of the test's."""

    clock: Clock = field(default_factory=Clock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.queue = InMemoryQueue(self.clock, lease_seconds=LEASE_SECONDS)
        self.delivery = published(self.queue, task())
        assert self.delivery.claims.claim(self.delivery.task) == "claimed"
        self.thread = LeaseThread(self.delivery.claims, self.stopped.set)

    def record(self, run: str = RUN) -> RunRecord:
        """Return the record of a run."""
        record = self.queue.server.record(run)
        assert record is not None
        return record

    def renews(self, run: str = RUN) -> Callable[[], bool]:
        """Let a second pass; return whether the lease was renewed since."""
        self.clock.now += 1
        renewed = self.clock.now + LEASE_SECONDS
        return lambda: self.record(run).lease_until == renewed


@pytest.fixture
def child() -> Child:
    return Child()


def test_a_lease_is_renewed_again_and_again(child: Child) -> None:
    child.thread.hold(RUN, child.delivery.tag)
    until(child.renews())
    until(child.renews())
    assert not child.stopped.is_set()
    child.thread.release(RUN)


def test_renewing_keeps_the_message_from_being_delivered_again(child: Child) -> None:
    child.thread.hold(RUN, child.delivery.tag)
    until(child.renews())
    until(lambda: child.queue.server.content().unacknowledged[child.delivery.tag].since == child.clock.now)
    child.thread.release(RUN)


def test_a_run_that_was_released_is_renewed_no_more_and_the_next_one_is(child: Child) -> None:
    child.thread.hold(RUN, child.delivery.tag)
    until(child.renews())
    child.thread.release(RUN)
    child.delivery.claims.claim(task(run="next"))
    child.thread.hold("next", None)
    last = child.record().lease_until
    until(child.renews("next"))
    until(child.renews("next"))
    assert child.record().lease_until == last
    child.thread.release("next")


@pytest.mark.parametrize("why", Stop)
def test_a_run_that_is_to_stop_ends_its_process(child: Child, why: Stop) -> None:
    child.thread.hold(RUN, child.delivery.tag)
    child.record().stop = why
    assert child.stopped.wait(10)
    child.thread.release(RUN)


@pytest.mark.parametrize(("why", "attempts"), [(Stop.SUSPENDED, 0), (Stop.CANCELLED, 1), (Stop.DELETED, 1)])
def test_only_a_suspended_run_gets_its_attempt_back(child: Child, why: Stop, attempts: int) -> None:
    child.record().stop = why
    child.thread.hold(RUN, child.delivery.tag)
    assert child.stopped.wait(10)
    child.thread.release(RUN)
    assert child.record().attempts == attempts


def test_a_lease_that_another_worker_took_over_ends_the_process(child: Child) -> None:
    child.clock.now += 2 * LEASE_SECONDS
    assert child.queue.claims("two").claim(task()) == "claimed"
    child.thread.hold(RUN, child.delivery.tag)
    assert child.stopped.wait(10)
    child.thread.release(RUN)
    assert child.record().attempts == 2


@pytest.mark.parametrize("why", Stop)
def test_a_run_that_is_to_stop_is_not_confirmed(child: Child, why: Stop) -> None:
    child.record().stop = why
    with pytest.raises(Stopped) as stopped:
        child.thread.confirm(child.delivery.task)
    assert stopped.value.verdict == why


def test_a_run_that_another_worker_took_over_is_not_confirmed(child: Child) -> None:
    child.clock.now += 2 * LEASE_SECONDS
    assert child.queue.claims("two").claim(task()) == "claimed"
    with pytest.raises(Stopped, match="lost"):
        child.thread.confirm(child.delivery.task)


def test_a_run_that_was_given_back_is_not_confirmed(child: Child) -> None:
    child.delivery.claims.give_back(RUN)
    with pytest.raises(Stopped, match="lost"):
        child.thread.confirm(child.delivery.task)


def test_a_run_past_its_deadline_is_not_confirmed(child: Child) -> None:
    thread = LeaseThread(child.delivery.claims, child.stopped.set, child.clock)
    late = task(deadline=child.clock.now + 1)
    thread.confirm(late)
    child.clock.now += 2
    with pytest.raises(Stopped, match="past its deadline"):
        thread.confirm(late)


def test_a_run_that_goes_on_is_confirmed_and_its_lease_renewed(child: Child) -> None:
    child.clock.now += 1
    child.thread.confirm(child.delivery.task)
    assert child.record().lease_until == child.clock.now + LEASE_SECONDS
    assert not child.stopped.is_set()


def test_redis_that_is_away_ends_neither_the_process_nor_the_renewing(
    child: Child, caplog: pytest.LogCaptureFixture
) -> None:
    child.queue.reachable = False
    child.thread.hold(RUN, child.delivery.tag)
    until(lambda: f"The lease of run {RUN} could not be renewed." in caplog.text)
    child.queue.reachable = True
    until(child.renews())
    assert not child.stopped.is_set()
    child.thread.release(RUN)


def test_a_run_that_ends_just_now_does_not_end_its_process(child: Child) -> None:
    child.delivery.claims.fail_attempt(child.delivery.task, "over")  # the claim is gone, and not yet released
    child.thread.hold(RUN, child.delivery.tag)
    child.delivery.claims.claim(task(run="next"))
    child.thread.hold("next", None)
    until(child.renews("next"))
    assert not child.stopped.is_set()
    child.thread.release(RUN)
    child.thread.release("next")


class Suspended(InMemoryClaims):
    """Claims whose run is suspended while Redis goes away."""

    def renew(self, run: str, delivery_tag: str | None) -> str:  # noqa: ARG002 - as its base
        return Stop.SUSPENDED

    def give_back(self, run: str) -> None:  # noqa: ARG002 - likewise
        raise RedisConnectionError("Connection refused.")


def test_a_suspended_run_ends_its_process_although_redis_does_not_take_its_attempt_back(child: Child) -> None:
    claims = Suspended(child.queue.server, "one", LEASE_SECONDS, 60)
    thread = LeaseThread(claims, child.stopped.set)
    thread.hold(RUN, None)
    assert child.stopped.wait(10)
    thread.release(RUN)
