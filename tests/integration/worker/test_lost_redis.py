"""A worker that loses Redis at a bad moment serves its queue again when Redis is back."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.integration.brokers import unsigned_broker
from tests.integration.worker.mortal_redis import MortalRedis
from tests.integration.worker.workplace import Workplace, until
from twin_operator.wiring.connections import operator_redis

FOLLOWING = 10  # tasks that the worker has to answer afterwards


@pytest.fixture
def server(tmp_path: Path) -> MortalRedis:
    directory = tmp_path / "redis"
    directory.mkdir()
    return MortalRedis(directory)


@pytest.fixture
async def lonely(server: MortalRedis, tmp_path: Path) -> AsyncIterator[Workplace]:
    """Return a workplace with a Redis of its own."""
    url = server.start()
    connection = operator_redis(url)
    with Redis.from_url(url) as redis:
        place = Workplace(redis, url, tmp_path, unsigned_broker(connection, 3600))
        yield place
        for worker in place.workers:
            worker.signal_all(signal.SIGCONT)
            worker.signal_all(signal.SIGKILL)
            worker.process.wait()
    await connection.aclose()
    server.kill()


async def answers_the_next(place: Workplace) -> None:
    tasks = [place.task(0) for _ in range(FOLLOWING)]
    await place.broker.publish(tasks)
    until(lambda: all(place.outcome(task) == "Succeeded" for task in tasks))
    assert [place.attempts(task) for task in tasks] == [1] * FOLLOWING


def cut_connections(redis: Redis, name: str) -> int:
    """Have Redis close each connection of that name; return their number."""
    clients: Any = redis.client_list()
    named = [client["id"] for client in clients if client["name"] == name]
    return sum(int(redis.client_kill_filter(_id=number)) for number in named)


@pytest.mark.slow
async def test_a_worker_whose_acknowledgement_failed_takes_the_next_tasks(
    lonely: Workplace, server: MortalRedis
) -> None:
    worker = lonely.ready(lonely.worker("one"))
    work = lonely.task(1)
    await lonely.broker.publish([work])
    until(lambda: lonely.begun(work))
    worker.signal(signal.SIGSTOP)  # the parent cannot acknowledge what its child records
    until(lambda: lonely.outcome(work))
    server.kill()
    worker.signal(signal.SIGCONT)
    until(lambda: "Couldn't ack" in worker.log.read_text())
    server.start()
    await answers_the_next(lonely)
    assert lonely.attempts(work) == 1


@pytest.mark.slow
async def test_a_worker_that_reconnects_while_its_child_works_takes_the_next_tasks(lonely: Workplace) -> None:
    worker = lonely.ready(lonely.worker("one", concurrency=2))  # the idle child's BRPOP notices the lost connection
    work = lonely.task(4)
    await lonely.broker.publish([work])
    until(lambda: lonely.begun(work))
    assert cut_connections(lonely.redis, "twin-operator-worker") > 0
    until(lambda: worker.log.read_text().count("Connected to") > 1)
    assert lonely.outcome(work) is None
    until(lambda: lonely.outcome(work))
    await answers_the_next(lonely)
    assert lonely.attempts(work) == 1
    assert worker.process.poll() is None


@pytest.mark.slow
async def test_the_run_of_a_child_that_dies_while_redis_is_away_begins_again(
    lonely: Workplace, server: MortalRedis
) -> None:
    worker = lonely.ready(lonely.worker("one", lease_seconds="2"))
    work = lonely.task(3)
    await lonely.broker.publish([work])
    until(lambda: lonely.begun(work))
    server.kill()
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    until(lambda: "begins again when its lease has ended" in worker.log.read_text())
    server.start()
    await answers_the_next(lonely)
    until(lambda: lonely.outcome(work))
    assert (lonely.begun(work), lonely.attempts(work)) == (["one", "one"], 2)
