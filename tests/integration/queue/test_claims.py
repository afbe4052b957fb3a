"""Claims on a real Redis: attempts are counted, one holds a run, the first result stands."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.services.errors import TryAgain
from twin_operator.services.tasks import Event, Outcome, Stop, Target, Task, TaskKind
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.tasks import Frame

DONE = Outcome("Succeeded", "done", {"effect": 1})


def claims(url: str, lease: float = 10) -> Claims:
    return Claims(Redis.from_url(url), "worker", lease, 60)


def task(limit: int = 2, kind: TaskKind = TaskKind.SIMULATE, **changes: Any) -> Task:
    run = uuid.uuid4().hex
    return Task(run, kind, "simulations", Target("Simulation", "n", "s", run), limit, {}, **changes)


@pytest.fixture
async def broker(redis_server: Any) -> AsyncIterator[Broker]:
    redis = AsyncRedis.from_url(redis_server.url)
    await redis.flushall()
    yield Broker(redis, 60)
    await redis.aclose()


async def test_a_claim_counts_the_attempt_before_any_work(broker: Broker, redis_server: Any) -> None:
    work = task()
    assert claims(redis_server.url).claim(work) == "claimed"
    run = (await broker.runs([work.run]))[work.run]
    assert (run.attempts, run.leased, run.worker) == (1, True, "worker")


async def test_two_workers_do_not_hold_one_run(broker: Broker, redis_server: Any) -> None:
    work = task()
    first, second = claims(redis_server.url), claims(redis_server.url)
    assert (first.claim(work), second.claim(work)) == ("claimed", "leased")
    assert (await broker.runs([work.run]))[work.run].attempts == 1


async def test_the_first_result_stands_and_is_reported_once(broker: Broker, redis_server: Any) -> None:
    work = task()
    slow, fast = claims(redis_server.url, lease=1.1), claims(redis_server.url)
    slow.claim(work)
    await broker.redis.hset(f"twinops:run:{work.run}", "lease_until", 0)  # the slow one's lease runs out
    assert fast.claim(work) == "claimed"
    assert fast.record(work, DONE) is True
    assert slow.record(work, Outcome("Succeeded", "late")) is False
    await broker.reports(pending=False, block_ms=1)  # makes the group
    reports = await broker.reports(pending=False, block_ms=1)
    assert [(r.run, r.event) for r in reports] == [(work.run, Event.RECORDED)]
    assert (await broker.runs([work.run]))[work.run].outcome == DONE
    assert fast.claim(work) == "finished"


async def test_reports_come_again_until_they_are_acknowledged(broker: Broker, redis_server: Any) -> None:
    work = task()
    await broker.reports(pending=False, block_ms=1)
    worker = claims(redis_server.url)
    worker.claim(work)
    worker.record(work, DONE)
    (report,) = await broker.reports(pending=False, block_ms=1)
    assert [r.run for r in await broker.reports(pending=True)] == [work.run]
    await broker.acknowledge([report.entry])
    assert await broker.reports(pending=True) == []
    assert await broker.redis.xlen("twinops:results") == 0


async def test_attempts_end_at_their_limit(broker: Broker, redis_server: Any) -> None:
    work = task(limit=1)
    await broker.reports(pending=False, block_ms=1)
    worker = claims(redis_server.url)
    worker.claim(work)
    worker.fail_attempt(work, "boom")
    assert worker.claim(work) == "exhausted"
    events = [r.event for r in await broker.reports(pending=False, block_ms=1)]
    assert events == [Event.ATTEMPT_FAILED, Event.EXHAUSTED]


async def test_a_clean_stop_gives_the_attempt_back(broker: Broker, redis_server: Any) -> None:
    work = task()
    worker = claims(redis_server.url)
    worker.claim(work)
    worker.give_back(work.run)
    run = (await broker.runs([work.run]))[work.run]
    assert (run.attempts, run.leased) == (0, False)


@pytest.mark.parametrize("why", list(Stop))
async def test_a_stopped_run_is_not_claimed_and_its_holder_is_told(
    broker: Broker, redis_server: Any, why: Stop
) -> None:
    work = task()
    worker = claims(redis_server.url)
    worker.claim(work)
    await broker.stop(work.run, why)
    assert worker.renew(work.run, None) == why
    assert claims(redis_server.url).claim(work) == why
    await broker.resume(work.run)
    assert worker.renew(work.run, None) == "go on"


async def test_what_is_published_is_found_in_its_queue(broker: Broker) -> None:
    urgent, plain = task(priority=9), task(priority=0)
    await broker.publish([urgent, plain])
    assert await broker.waiting(["simulations"]) == {urgent.run, plain.run}
    assert await broker.depths(["simulations", "training"]) == {"simulations": 2, "training": 0}


@pytest.mark.parametrize("kind", list(TaskKind))
async def test_every_kind_of_work_runs_in_the_same_frame(broker: Broker, redis_server: Any, kind: TaskKind) -> None:
    work = task(kind=kind)
    worker = claims(redis_server.url)
    frame = Frame(worker, LeaseThread(worker), {kind: lambda _payload: DONE})
    assert frame.carry_out(work) == "recorded"
    assert frame.carry_out(work) == "finished"
    assert (await broker.runs([work.run]))[work.run].attempts == 1


async def test_an_unexpected_error_is_an_attempt_not_an_answer(broker: Broker, redis_server: Any) -> None:
    work = task()
    worker = claims(redis_server.url)

    def broken(_payload: Any) -> Outcome:
        raise ValueError("boom")

    frame = Frame(worker, LeaseThread(worker), {TaskKind.SIMULATE: broken})
    assert frame.carry_out(work) == "attempt failed: ValueError"
    run = (await broker.runs([work.run]))[work.run]
    assert (run.attempts, run.error, run.outcome) == (1, "ValueError: boom", None)


@pytest.mark.parametrize(
    ("limit", "what", "verdict"),
    [
        (1, ValueError("boom"), "last attempt failed: ValueError"),
        (2, TryAgain("not yet"), "to be tried again: TryAgain"),
        (1, TryAgain("not yet"), "last attempt failed: TryAgain"),
    ],
)
def test_the_verdict_says_whether_another_attempt_remains(
    redis_server: Any, limit: int, what: Exception, verdict: str
) -> None:
    worker = claims(redis_server.url)

    def fail(_payload: Any) -> Outcome:
        raise what

    assert Frame(worker, LeaseThread(worker), {TaskKind.SIMULATE: fail}).carry_out(task(limit)) == verdict


def test_an_answer_that_refuses_is_told_from_one_that_answers(redis_server: Any) -> None:
    worker = claims(redis_server.url)
    refusal = Outcome("UnknownArm", "There is no such arm.")
    frame = Frame(worker, LeaseThread(worker), {TaskKind.SIMULATE: lambda _payload: refusal})
    assert frame.carry_out(task()) == "refused: UnknownArm"
