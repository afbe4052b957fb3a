"""The frame of a task on a real Redis: claim, work, record. The claims themselves are in `tests/contracts`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.fakes.attempts import untraced
from tests.integration.brokers import unsigned_broker
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.run import Outcome, Target, Task, TaskKind
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.tasks import Frame

DONE = Outcome(Reason.SUCCEEDED, "done", {"effect": 1})


def claims(url: str, lease: float = 10) -> Claims:
    return Claims(Redis.from_url(url), "worker", lease, 60, 1)


def task(limit: int = 2, kind: TaskKind = TaskKind.SIMULATE, **changes: Any) -> Task:
    run = uuid.uuid4().hex
    return Task(run, kind, "simulations", Target("Simulation", "n", "s", run), limit, {}, **changes)


@pytest.fixture
async def broker(redis_server: Any) -> AsyncIterator[Broker]:
    redis = AsyncRedis.from_url(redis_server.url)
    await redis.flushall()
    yield unsigned_broker(redis, 60)
    await redis.aclose()


class SendsTwice(Redis):
    """A client whose connection breaks before the answer to a script comes: it sends the script again."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        super().evalsha(sha, numkeys, *keys_and_args)
        return super().evalsha(sha, numkeys, *keys_and_args)


@pytest.mark.usefixtures("broker")
def test_a_claim_that_is_sent_again_is_one_attempt(redis_server: Any) -> None:
    work, worker = task(), Claims(SendsTwice.from_url(redis_server.url), "worker", 10, 60, 1)
    assert worker.claim(work) == "claimed"
    assert worker.attempts(work.run) == 1


async def test_a_result_that_is_there_is_not_written_over(broker: Broker, redis_server: Any) -> None:
    work, worker = task(), claims(redis_server.url)
    worker.claim(work)
    first = Outcome(Reason.DATA_INVALID, "It is empty.")
    with Redis.from_url(redis_server.url) as redis:
        redis.hset(keys.run_key(work.run), "outcome", orjson.dumps(asdict(first)))
    assert worker.record(work, DONE) is False
    assert (await broker.runs([work.run]))[work.run].outcome == first


@pytest.mark.parametrize("kind", list(TaskKind))
async def test_every_kind_of_work_runs_in_the_same_frame(broker: Broker, redis_server: Any, kind: TaskKind) -> None:
    work = task(kind=kind)
    worker = claims(redis_server.url)
    frame = Frame(worker, LeaseThread(worker), {kind: lambda _task: DONE}, untraced())
    assert frame.carry_out(work) == "recorded"
    assert frame.carry_out(work) == "finished"
    assert (await broker.runs([work.run]))[work.run].attempts == 1


async def test_an_unexpected_error_is_an_attempt_not_an_answer(broker: Broker, redis_server: Any) -> None:
    work = task()
    worker = claims(redis_server.url)

    def broken(_task: Task) -> Outcome:
        raise ValueError("boom")

    frame = Frame(worker, LeaseThread(worker), {TaskKind.SIMULATE: broken}, untraced())
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

    def fail(_task: Task) -> Outcome:
        raise what

    assert Frame(worker, LeaseThread(worker), {TaskKind.SIMULATE: fail}, untraced()).carry_out(task(limit)) == verdict


def test_an_answer_that_refuses_is_told_from_one_that_answers(redis_server: Any) -> None:
    worker = claims(redis_server.url)
    refusal = Outcome(Reason.UNKNOWN_ARM, "There is no such arm.")
    frame = Frame(worker, LeaseThread(worker), {TaskKind.SIMULATE: lambda _task: refusal}, untraced())
    assert frame.carry_out(task()) == "refused: UnknownArm"


def test_a_claim_that_is_sent_again_since_its_answer_was_lost_is_one_claim(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _bytes: "the same token")  # as the client sends it again
    worker, work = claims(redis_server.url), task()
    assert [worker.claim(work), worker.claim(work)] == ["claimed", "claimed"]
    assert worker.attempts(work.run) == 1
    monkeypatch.undo()
    assert claims(redis_server.url).claim(work) == "leased"
