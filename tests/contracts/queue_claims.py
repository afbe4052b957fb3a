"""Claims: attempts are counted, one process holds a run, the first result stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.queue_system import DONE, QUEUE, ProcessClaims, QueueSystem, new_reports, run_of, task
from twin_operator.adapters.redis_queue import keys
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import Event, Outcome, Stop, Task


async def test_a_claim_counts_the_attempt_before_any_work(system: QueueSystem) -> None:
    work = task()
    holder = system.claims()
    assert holder.claim(work) == "claimed"
    run = await run_of(system, work)
    assert (run.attempts, run.leased, run.worker) == (1, True, "worker")
    assert (run.started is not None, run.finished, run.outcome) == (True, None, None)
    assert holder.attempts(work.run) == 1


async def test_two_workers_do_not_hold_one_run(system: QueueSystem) -> None:
    work = task()
    first, second = system.claims(), system.claims()
    assert (first.claim(work), second.claim(work)) == ("claimed", "leased")
    assert (await run_of(system, work)).attempts == 1


async def test_a_run_whose_lease_has_ended_is_claimed_by_another(system: QueueSystem) -> None:
    work = task()
    system.claims("slow").claim(work)
    system.end_leases(QUEUE)
    assert (await run_of(system, work)).leased is False
    assert system.claims("fast").claim(work) == "claimed"
    run = await run_of(system, work)
    assert (run.attempts, run.worker) == (2, "fast")


async def test_the_start_of_a_run_is_that_of_its_first_attempt(system: QueueSystem) -> None:
    work = task()
    first = system.claims()
    first.claim(work)
    started = (await run_of(system, work)).started
    first.fail_attempt(work, "boom")
    system.claims().claim(work)
    assert (await run_of(system, work)).started == started


async def test_the_first_result_stands_and_is_reported_once(system: QueueSystem) -> None:
    work = task()
    slow, fast = system.claims(), system.claims()
    slow.claim(work)
    system.end_leases(QUEUE)
    assert fast.claim(work) == "claimed"
    assert fast.record(work, DONE) is True
    assert slow.record(work, Outcome(Reason.SUCCEEDED, "late")) is False
    assert [(r.run, r.event, r.kind, r.target) for r in await new_reports(system)] == [
        (work.run, Event.RECORDED, work.kind, work.target)
    ]
    run = await run_of(system, work)
    assert (run.outcome, run.leased, run.finished is not None) == (DONE, False, True)
    assert fast.claim(work) == "finished"


async def test_a_slow_worker_may_record_while_nobody_took_its_run_over(system: QueueSystem) -> None:
    work, slow = task(), system.claims()
    slow.claim(work)
    system.end_leases(QUEUE)
    assert slow.record(work, DONE) is True


async def test_a_worker_whose_run_was_taken_over_records_nothing(system: QueueSystem) -> None:
    work = task()
    slow, fast = system.claims("slow"), system.claims("fast")
    slow.claim(work)
    system.end_leases(QUEUE)
    assert fast.claim(work) == "claimed"
    assert slow.record(work, Outcome(Reason.SUCCEEDED, "late")) is False
    assert ((await run_of(system, work)).outcome, await new_reports(system)) == (None, [])
    assert fast.record(work, DONE) is True


async def test_attempts_end_at_their_limit(system: QueueSystem) -> None:
    work, worker = task(limit=1), system.claims()
    worker.claim(work)
    assert worker.fail_attempt(work, "boom") is True
    assert worker.spent(work)
    assert worker.claim(work) == "exhausted"
    assert [r.event for r in await new_reports(system)] == [Event.ATTEMPT_FAILED, Event.EXHAUSTED]
    run = await run_of(system, work)
    assert (run.attempts, run.error, run.failed is not None, run.outcome) == (1, "boom", True, None)


async def test_a_worker_that_lost_its_run_reports_no_failure(system: QueueSystem) -> None:
    work, slow = task(), system.claims("slow")
    slow.claim(work)
    system.end_leases(QUEUE)
    system.claims("fast").claim(work)
    assert slow.fail_attempt(work, "boom") is False
    assert slow.spent(work)
    assert await new_reports(system) == []
    assert (await run_of(system, work)).error is None


async def test_a_clean_stop_gives_the_attempt_back(system: QueueSystem) -> None:
    work, worker = task(), system.claims()
    worker.claim(work)
    worker.give_back(work.run)
    run = await run_of(system, work)
    assert (run.attempts, run.leased) == (0, False)
    assert await new_reports(system) == []
    worker.give_back(work.run)
    assert worker.attempts(work.run) == 0


async def test_only_the_holder_gives_an_attempt_back(system: QueueSystem) -> None:
    work, slow = task(), system.claims("slow")
    slow.claim(work)
    system.end_leases(QUEUE)
    system.claims("fast").claim(work)
    slow.give_back(work.run)
    run = await run_of(system, work)
    assert (run.attempts, run.leased) == (2, True)


@pytest.mark.parametrize("why", list(Stop))
async def test_a_stopped_run_is_not_claimed_and_its_holder_learns_why(system: QueueSystem, why: Stop) -> None:
    work, worker = task(), system.claims()
    worker.claim(work)
    await system.queue.stop(work.run, why)
    assert (await run_of(system, work)).stop is why
    assert worker.renew(work.run, None) == why
    assert system.claims().claim(work) == why
    await system.queue.resume(work.run)
    assert worker.renew(work.run, None) == "go on"


async def test_a_run_may_be_stopped_before_it_is_claimed(system: QueueSystem) -> None:
    work = task()
    await system.queue.stop(work.run, Stop.CANCELLED)
    assert system.claims().claim(work) == Stop.CANCELLED
    await system.queue.resume(work.run)
    assert system.claims().claim(work) == "claimed"


@pytest.mark.parametrize("why", list(Stop))
async def test_a_stop_is_kept_longer_than_any_message_that_a_worker_accepts(system: QueueSystem, why: Stop) -> None:
    work = task()
    system.claims().claim(work)
    await system.queue.stop(work.run, why)
    assert system.claims().claim(work) == why
    assert system.life(work.run) == pytest.approx(60 + keys.STOP_MARGIN_SECONDS, abs=2)


async def test_a_finished_run_says_so_also_when_it_was_stopped_later(system: QueueSystem) -> None:
    work, worker = task(), system.claims()
    worker.claim(work)
    worker.record(work, DONE)
    await system.queue.stop(work.run, Stop.DELETED)
    assert worker.claim(work) == "finished"


async def test_a_lease_is_lost_to_who_took_the_run_over_and_with_the_record(system: QueueSystem) -> None:
    work, slow, fast = task(), system.claims("slow"), system.claims("fast")
    slow.claim(work)
    system.end_leases(QUEUE)
    fast.claim(work)
    assert slow.renew(work.run, None) == "lost"
    system.flush()
    assert fast.renew(work.run, None) == "lost"


async def test_renewing_prolongs_a_lease_that_has_ended(system: QueueSystem) -> None:
    work, worker = task(), system.claims()
    worker.claim(work)
    system.end_leases(QUEUE)
    assert worker.renew(work.run, None) == "go on"
    assert (await run_of(system, work)).leased is True
    assert system.claims().claim(work) == "leased"


def parent_gives_back(claims: ProcessClaims, work: Task) -> bool:
    return claims.give_back_of_worker(work.run, work.queue)


def parent_ends_attempt(claims: ProcessClaims, work: Task) -> bool:
    return claims.end_attempt_of_worker(work.run, work.queue)


@pytest.mark.parametrize(("end", "attempts"), [(parent_gives_back, 0), (parent_ends_attempt, 1)])
def test_a_parent_ends_only_the_lease_of_its_own_child_and_once(
    system: QueueSystem, end: Callable[[ProcessClaims, Task], bool], attempts: int
) -> None:
    work = task()
    system.claims("pod-1").claim(work)
    assert end(system.claims("pod-2"), work) is False
    assert end(system.claims("pod-1"), work) is True
    assert end(system.claims("pod-1"), work) is False
    assert system.claims().attempts(work.run) == attempts
    assert system.claims("pod-2").claim(work) == "claimed"
