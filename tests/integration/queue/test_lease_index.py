"""The index of leases and the pace of a queue: they change in the same step as the run's record."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import Outcome, Target, Task, TaskKind
from twin_operator.worker.process import of_dead_child
from twin_operator.worker.shutdown import Grace

QUEUE = "paced"
LEASES = f"twinops:leases:{QUEUE}"
PACE = f"twinops:pace:{QUEUE}"
DONE = Outcome(Reason.SUCCEEDED, "done")


@pytest.fixture
def redis(redis_server: Any) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        yield redis


def worker(redis: Redis, name: str = "worker") -> Claims:
    return Claims(redis, name, 10, 60, 1)


def task() -> Task:
    run = uuid.uuid4().hex
    return Task(run, TaskKind.SIMULATE, QUEUE, Target("Simulation", "n", "s", run), 3, {})


def members(redis: Redis) -> list[str]:
    return [member.decode() for member in redis.zrange(LEASES, 0, -1)]  # type: ignore[union-attr]


def lasted(redis: Redis, work: Task, seconds: float) -> None:
    """Have the running attempt begun some time ago."""
    now, micros = redis.time()
    redis.hset(f"twinops:run:{work.run}", "attempt_started", now + micros / 1e6 - seconds)


def test_a_claim_is_in_the_index_until_its_lease_ends(redis: Redis) -> None:
    work = task()
    worker(redis, "pod-1").claim(work)
    now, _ = redis.time()
    assert members(redis) == [f"{work.run} pod-1"]
    assert redis.zscore(LEASES, f"{work.run} pod-1") == pytest.approx(now + 10, abs=2)


ENDS: dict[str, Callable[[Claims, Task], Any]] = {
    "record": lambda claims, work: claims.record(work, DONE),
    "fail": lambda claims, work: claims.fail_attempt(work, "boom"),
    "give back": lambda claims, work: claims.give_back(work.run),
    "give back by the parent": lambda claims, work: claims.give_back_of_worker(work.run, QUEUE),
    "end by the parent": lambda claims, work: claims.end_attempt_of_worker(work.run, QUEUE),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_lease_that_ended_is_not_in_the_index(redis: Redis, end: str) -> None:
    work, holder = task(), worker(redis)
    holder.claim(work)
    ENDS[end](holder, work)
    assert members(redis) == []


def test_renewing_brings_back_an_index_that_was_lost(redis: Redis) -> None:
    work, holder = task(), worker(redis)
    holder.claim(work)
    redis.delete(LEASES)
    assert holder.renew(work.run, None) == "go on"
    assert members(redis) == [f"{work.run} worker"]


def test_renewing_moves_the_end_of_the_lease(redis: Redis) -> None:
    work, holder = task(), worker(redis)
    holder.claim(work)
    before = redis.zscore(LEASES, f"{work.run} worker")
    holder.renew(work.run, None)
    assert redis.zscore(LEASES, f"{work.run} worker") > before  # type: ignore[operator]


def test_leases_of_workers_that_vanished_leave_at_the_next_claim(redis: Redis) -> None:
    redis.zadd(LEASES, {f"{number} gone": 1 for number in range(50)})
    work = task()
    worker(redis).claim(work)
    assert members(redis) == [f"{work.run} worker"]


def test_a_run_that_was_taken_over_is_in_the_index_once(redis: Redis) -> None:
    work, slow, fast = task(), worker(redis, "slow"), worker(redis, "fast")
    slow.claim(work)
    redis.hset(f"twinops:run:{work.run}", "lease_until", 1)
    redis.zadd(LEASES, {f"{work.run} slow": 1})
    assert fast.claim(work) == "claimed"
    assert slow.record(work, DONE) is False
    assert members(redis) == [f"{work.run} fast"]


def test_the_first_task_sets_the_pace_and_later_ones_move_it_by_a_fifth(redis: Redis) -> None:
    holder = worker(redis)
    for seconds in (10, 20):
        work = task()
        holder.claim(work)
        lasted(redis, work, seconds)
        holder.record(work, DONE)
    assert float(redis.hget(PACE, "seconds")) == pytest.approx(12, abs=0.1)  # type: ignore[arg-type]
    assert int(redis.hget(PACE, "count")) == 2  # type: ignore[arg-type]
    assert redis.ttl(PACE) > 86_400


def test_a_later_attempt_is_timed_from_its_own_start(redis: Redis) -> None:
    work, holder = task(), worker(redis)
    holder.claim(work)
    lasted(redis, work, 100)
    holder.give_back(work.run)
    assert redis.exists(PACE) == 0
    holder.claim(work)
    holder.record(work, DONE)
    assert float(redis.hget(PACE, "seconds")) < 10  # type: ignore[arg-type]


def test_an_attempt_that_failed_took_its_time_too(redis: Redis) -> None:
    work, holder = task(), worker(redis)
    holder.claim(work)
    lasted(redis, work, 5)
    holder.fail_attempt(work, "boom")
    assert float(redis.hget(PACE, "seconds")) == pytest.approx(5, abs=0.1)  # type: ignore[arg-type]


def test_a_draining_worker_is_refused_and_no_attempt_is_counted(redis: Redis) -> None:
    work, drained = task(), worker(redis, "pod-1")
    redis.set("twinops:draining:pod-1", 1, ex=60)
    assert drained.claim(work) == "draining"
    assert redis.exists(f"twinops:run:{work.run}", LEASES) == 0
    assert worker(redis, "pod-2").claim(work) == "claimed"


def test_a_worker_whose_flag_is_gone_is_given_work_again(redis: Redis) -> None:
    work, drained = task(), worker(redis, "pod-1")
    redis.set("twinops:draining:pod-1", 1, ex=60)
    redis.delete("twinops:draining:pod-1")
    assert drained.claim(work) == "claimed"


def test_a_parent_gives_back_only_what_its_own_worker_holds(redis: Redis) -> None:
    work = task()
    worker(redis, "pod-1").claim(work)
    assert worker(redis, "pod-2").give_back_of_worker(work.run, QUEUE) is False
    assert worker(redis, "pod-1").give_back_of_worker(work.run, QUEUE) is True
    assert redis.hget(f"twinops:run:{work.run}", "attempts") == b"0"


def test_a_parent_ends_the_lease_of_a_dead_child_and_its_attempt_stays_counted(redis: Redis) -> None:
    work = task()
    worker(redis, "pod-1").claim(work)
    assert worker(redis, "pod-2").end_attempt_of_worker(work.run, QUEUE) is False
    assert worker(redis, "pod-2").claim(work) == "leased"
    assert worker(redis, "pod-1").end_attempt_of_worker(work.run, QUEUE) is True
    assert worker(redis, "pod-2").claim(work) == "claimed"
    assert redis.hget(f"twinops:run:{work.run}", "attempts") == b"2"


@pytest.mark.parametrize(("returning", "attempts"), [(False, b"1"), (True, b"0")])
def test_a_child_that_the_end_of_the_grace_killed_costs_no_attempt(
    redis: Redis, *, returning: bool, attempts: bytes
) -> None:
    work, claims = task(), worker(redis, "pod-1")
    claims.claim(work)
    end = of_dead_child(Grace(0.0, claims.give_back_of_worker, returning=returning), claims)
    assert end(work.run, QUEUE) is True
    assert claims.give_back_of_worker(work.run, QUEUE) is False  # whoever is second changes nothing
    assert redis.hget(f"twinops:run:{work.run}", "attempts") == attempts
    assert members(redis) == []
