"""SIGTERM: a worker finishes its tasks, or gives them back before its grace period ends."""

from __future__ import annotations

import signal
import time

import pytest

from tests.integration.worker.workplace import Workplace, until


async def test_a_worker_finishes_its_task_and_takes_no_more(place: Workplace) -> None:
    worker = place.ready(place.worker("one"))
    first, second = place.task(3), place.task(0)
    await place.broker.publish([first])
    until(lambda: place.begun(first))
    worker.signal(signal.SIGTERM)
    await place.broker.publish([second])
    assert worker.ends(30) == 0
    assert (place.outcome(first), place.attempts(first)) == ("Succeeded", 1)
    assert place.begun(second) == []
    assert place.queued() == 1
    assert place.redis.zcard("twinops:unacked_index") == 0


@pytest.mark.slow
async def test_an_idle_worker_ends_at_once(place: Workplace) -> None:
    worker = place.ready(place.worker("one", grace_seconds="60"))
    worker.signal(signal.SIGTERM)
    assert worker.ends(30) == 0  # long before its grace is over


@pytest.mark.slow
async def test_what_does_not_end_within_the_grace_is_given_back_at_once(place: Workplace) -> None:
    worker = place.ready(place.worker("one", grace_seconds="6"))
    work = place.task(30)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.ends(30) == 0  # by itself
    assert time.monotonic() - began > 5
    assert place.queued() == 1
    assert place.attempts(work) == 0
    assert place.redis.zcard("twinops:leases:sleep") == 0
    place.ready(place.worker("two"))
    until(lambda: place.begun(work) == ["one", "two"])
    assert place.attempts(work) == 1


@pytest.mark.slow
async def test_a_worker_of_several_children_gives_back_each_of_their_runs(place: Workplace) -> None:
    worker = place.ready(place.worker("one", concurrency=2, grace_seconds="2"))
    tasks = [place.task(30), place.task(30)]
    await place.broker.publish(tasks)
    until(lambda: all(place.begun(task) for task in tasks))
    worker.signal(signal.SIGTERM)
    assert worker.ends(30) == 0
    assert [place.attempts(task) for task in tasks] == [0, 0]
    assert place.queued() == 2


@pytest.mark.slow
async def test_at_a_second_signal_it_gives_back_without_waiting(place: Workplace) -> None:
    worker = place.ready(place.worker("one", grace_seconds="60"))
    work = place.task(30)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    worker.signal(signal.SIGTERM)
    until(lambda: "No further task is taken" in worker.log.read_text())
    worker.signal(signal.SIGINT)
    assert worker.ends(30) == 0  # long before its grace is over
    assert (place.queued(), place.attempts(work)) == (1, 0)


@pytest.mark.slow
async def test_an_interrupt_from_the_keyboard_finishes_too(place: Workplace) -> None:
    worker = place.ready(place.worker("one"))
    work = place.task(2)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    worker.signal_all(signal.SIGINT)
    assert worker.ends(30) == 0
    assert (place.outcome(work), place.attempts(work)) == ("Succeeded", 1)
