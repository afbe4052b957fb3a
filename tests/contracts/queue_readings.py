"""Readings for the scaling of pools, workers that drain, the outbox and the dead letters."""

from __future__ import annotations

import pytest

from tests.contracts.queue_system import DONE, QUEUE, QueueSystem, run_of, taken, task
from twin_operator.adapters.redis_queue.delivery import Reason, Refusal
from twin_operator.services.runs.run import Run


async def test_a_reading_counts_what_waits_and_what_was_ever_published(system: QueueSystem) -> None:
    await system.queue.publish([task(), task(priority=9), task(queue="other")])
    taken(system)
    (first, second) = await system.loads.read([QUEUE, "none"])
    assert (first.name, first.depth, first.published, first.workers) == (QUEUE, 1, 2, ())
    assert first.oldest_seconds == pytest.approx(0, abs=5)
    assert (second.depth, second.published, second.oldest_seconds, second.seconds_per_task) == (0, 0, None, None)


async def test_a_delivered_message_is_unclaimed_while_its_queue_is_empty_and_idle(system: QueueSystem) -> None:
    await system.queue.publish([task(), task()])
    first = taken(system)
    assert (await system.loads.read([QUEUE]))[0].unclaimed == 0
    taken(system)
    assert [each.unclaimed for each in await system.loads.read([QUEUE, "other"])] == [2, 0]
    system.claims().claim(first.task)
    assert (await system.loads.read([QUEUE]))[0].unclaimed == 0


async def test_workers_are_busy_while_they_hold_leases(system: QueueSystem) -> None:
    first, second = task(), task(queue="other")
    system.claims("pod-1").claim(first)
    holder = system.claims("pod-2")
    holder.claim(second)
    assert (await system.loads.read([QUEUE]))[0].workers == ("pod-1",)
    assert await system.loads.busy([QUEUE, "other"]) == {"pod-1", "pod-2"}
    system.end_leases(QUEUE)
    holder.record(second, DONE)
    assert await system.loads.busy([QUEUE, "other"]) == frozenset()


async def test_the_first_task_sets_the_pace_and_later_ones_move_it_by_a_fifth(system: QueueSystem) -> None:
    for seconds, end in ((10.0, "record"), (20.0, "fail_attempt")):
        work, worker = task(), system.claims()
        worker.claim(work)
        system.begin_earlier(work.run, seconds)
        worker.record(work, DONE) if end == "record" else worker.fail_attempt(work, "boom")
    assert (await system.loads.read([QUEUE]))[0].seconds_per_task == pytest.approx(12, abs=0.5)


async def test_an_attempt_that_is_given_back_does_not_change_the_pace(system: QueueSystem) -> None:
    work, worker = task(), system.claims()
    worker.claim(work)
    worker.give_back(work.run)
    assert (await system.loads.read([QUEUE]))[0].seconds_per_task is None


async def test_a_draining_worker_is_refused_until_it_is_released(system: QueueSystem) -> None:
    work, drained = task(), system.claims("pod-1")
    await system.loads.drain(["pod-1"], 60)
    assert (drained.draining(), system.claims("pod-2").draining()) == (True, False)
    assert drained.claim(work) == "draining"
    assert await run_of(system, work) == Run()
    await system.loads.release(["pod-1"])
    assert drained.claim(work) == "claimed"


async def test_the_outbox_keeps_entries_in_their_order_until_they_are_dropped(system: QueueSystem) -> None:
    await system.outbox.put([{"n": 1}, {"n": 2}])
    await system.outbox.put([{"n": 3}])
    entries = await system.outbox.take(2)
    assert [entry for _, entry in entries] == [{"n": 1}, {"n": 2}]
    assert await system.outbox.take(2) == entries
    await system.outbox.drop([entries[0][0]])
    assert [entry for _, entry in await system.outbox.take(9)] == [{"n": 2}, {"n": 3}]
    assert await system.outbox.length() == 2


async def test_the_loss_of_every_key_is_the_loss_of_the_outbox_too(system: QueueSystem) -> None:
    await system.outbox.put([{"n": 1}])
    system.flush()
    assert await system.outbox.length() == 0


async def test_a_dead_letter_is_kept_found_and_put_back(system: QueueSystem) -> None:
    work, refusal = task(), Refusal(Reason.EXHAUSTED, "it has had all its attempts", "run-1")
    await system.queue.publish([work])
    system.letters.add(b"garbage", QUEUE, Refusal(Reason.UNDECODABLE, "it is not JSON"), "pod-1")
    entry = system.letters.add(system.sound_message(), QUEUE, refusal, "pod-2")
    letter = system.letters.find(entry)
    assert letter is not None
    assert (letter.queue, letter.reason, letter.because) == (QUEUE, "Exhausted", refusal.because)
    assert (letter.run, letter.worker, letter.cut) == ("run-1", "pod-2", False)
    assert [each.reason for each in system.letters.newest(9)] == ["Exhausted", "Undecodable"]
    system.letters.requeue(letter)
    assert await system.queue.depths([QUEUE]) == {QUEUE: 2}
    assert (system.letters.find(entry), system.letters.purge(), system.letters.purge()) == (None, 1, 0)


def test_not_all_of_a_long_dead_letter_is_kept(system: QueueSystem) -> None:
    entry = system.letters.add(b"x" * 40_000, QUEUE, Refusal(Reason.UNDECODABLE, "it is not JSON"), "pod-1")
    letter = system.letters.find(entry)
    assert letter is not None
    assert (letter.size, len(letter.message), letter.cut, letter.run) == (40_000, 32_768, True, None)
