"""Workers that die or freeze: other workers start their runs again, and one that continues too late records nothing."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.integration.worker.workplace import Worker, Workplace, until
from twin_operator.services.runs.run import Stop, Task

pytestmark = pytest.mark.slow
SHORT = "2"  # seconds of a lease, so that a test need not wait for long


def until_begun(place: Workplace, task: Task, attempts: int) -> None:
    until(lambda: len(place.begun(task)) == attempts)


def until_gone(worker: Worker, child: int) -> None:
    until(lambda: child not in worker.children())


async def test_a_child_that_is_killed_costs_an_attempt_and_its_message_comes_back(place: Workplace) -> None:
    worker = place.ready(place.worker("one", lease_seconds="600"))  # nobody waits for the dead child's lease
    work = place.task(2)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    until(lambda: place.outcome(work))
    assert (place.begun(work), place.attempts(work)) == (["one", "one"], 2)


async def test_a_task_that_kills_its_child_each_time_has_as_many_attempts_as_its_limit(place: Workplace) -> None:
    worker = place.ready(place.worker("one", lease_seconds="600"))
    work = place.task(60)
    await place.broker.publish([work])
    for attempt in range(1, work.attempt_limit + 1):
        until_begun(place, work, attempt)
        (child,) = worker.children()
        os.kill(child, signal.SIGKILL)
        until_gone(worker, child)
    until(lambda: "exhausted" in worker.log.read_text())
    assert (place.begun(work), place.attempts(work)) == (["one"] * work.attempt_limit, work.attempt_limit)
    assert place.redis.zcard("twinops:leases:sleep") == 0


async def test_the_run_of_a_node_that_vanished_is_taken_over_when_its_lease_has_ended(place: Workplace) -> None:
    lost = place.ready(place.worker("one", lease_seconds=SHORT))
    work = place.task(8)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    place.worker("two", lease_seconds=SHORT)
    lost.signal_all(signal.SIGKILL)
    until(lambda: place.outcome(work))
    assert (place.begun(work), place.attempts(work)) == (["one", "two"], 2)
    assert place.reported() == {work.run: 1}


async def test_a_frozen_worker_that_wakes_too_late_ends_its_run_and_records_nothing(place: Workplace) -> None:
    frozen = place.ready(place.worker("one", lease_seconds=SHORT))
    work = place.task(8)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    frozen.signal_all(signal.SIGSTOP)
    place.ready(place.worker("two", lease_seconds=SHORT))
    until(lambda: place.begun(work) == ["one", "two"])
    frozen.signal_all(signal.SIGCONT)
    until(lambda: place.outcome(work))
    assert place.record(work)["worker"] == "two"
    assert place.reported() == {work.run: 1}
    until(
        lambda: (
            f"Run {work.run} stops: lost" in frozen.log.read_text() or "recorded by another" in frozen.log.read_text()
        )
    )
    assert place.attempts(work) == 2


async def test_an_attempt_is_given_back_when_its_run_is_suspended(place: Workplace) -> None:
    worker = place.ready(place.worker("one", lease_seconds=SHORT))
    work = place.task(60)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    (child,) = worker.children()
    await place.broker.stop(work.run, Stop.SUSPENDED)
    until(lambda: child not in worker.children())
    assert place.attempts(work) == 0
    assert place.redis.zcard("twinops:leases:sleep") == 0
    until(lambda: place.queued() == 0 and place.redis.zcard("twinops:unacked_index") == 0)  # refused, and done with
    await place.broker.resume(work.run)
    await place.broker.publish([work])
    until(lambda: len(place.begun(work)) == 2)
    assert place.attempts(work) == 1


async def test_a_message_past_its_deadline_costs_no_attempt(place: Workplace) -> None:
    worker = place.ready(place.worker("one"))
    work = place.task(0, deadline=time.time() - 1)
    await place.broker.publish([work])
    until(lambda: "past its deadline" in worker.log.read_text())
    assert (place.begun(work), place.attempts(work), place.outcome(work)) == ([], 0, None)
