"""A draining worker takes no message; it works again when its flag is gone."""

from __future__ import annotations

import pytest

from tests.integration.worker.workplace import Workplace, until

FLAG = "twinops:draining:one"


async def test_a_draining_worker_leaves_messages_to_others(place: Workplace) -> None:
    drained = place.ready(place.worker("one"))
    place.redis.set(FLAG, 1, ex=300)
    until(lambda: drained.metric("twinops_worker_draining") == 1)
    until(lambda: "takes no more" in drained.log.read_text())
    work = place.task(0)
    await place.broker.publish([work])
    place.ready(place.worker("two"))
    until(lambda: place.outcome(work))
    assert place.begun(work) == ["two"]


@pytest.mark.slow
async def test_a_message_refused_in_the_same_moment_goes_back_untouched_and_once(place: Workplace) -> None:
    drained = place.ready(place.worker("one"))
    work = place.task(0)
    place.redis.set(FLAG, 1, ex=300)
    await place.broker.publish([work])  # most likely before the worker has read its flag
    until(lambda: drained.metric("twinops_worker_draining") == 1)
    until(lambda: place.queued() == 1)
    assert (place.begun(work), place.attempts(work)) == ([], 0)
    assert drained.log.read_text().count(f"[{work.run}] received") <= 1
    assert place.redis.zcard("twinops:unacked_index") == 0


@pytest.mark.slow
async def test_a_worker_whose_flag_is_gone_takes_tasks_again(place: Workplace) -> None:
    place.redis.set(FLAG, 1, ex=300)
    worker = place.worker("one")  # it starts with its flag set
    until(lambda: worker.log.exists() and "takes no more" in worker.log.read_text())
    work = place.task(0)
    await place.broker.publish([work])
    until(lambda: worker.metric("twinops_worker_draining") == 1)
    assert place.begun(work) == []
    place.redis.delete(FLAG)
    until(lambda: place.outcome(work))
    assert worker.metric("twinops_worker_draining") == 0


@pytest.mark.slow
async def test_a_draining_worker_finishes_its_task(place: Workplace) -> None:
    drained = place.ready(place.worker("one"))
    work = place.task(3)
    await place.broker.publish([work])
    until(lambda: place.begun(work))
    assert drained.metric("twinops_worker_running_tasks") == 1
    place.redis.set(FLAG, 1, ex=300)
    until(lambda: place.outcome(work))
    assert place.attempts(work) == 1
