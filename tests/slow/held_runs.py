"""Runs that stay where they are until a test says so, and what Redis has of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from redis import Redis

from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.redis_queue.keys import PREFIX, PUBLISHED, leases_key, queue_keys, run_key
from twin_operator.adapters.redis_queue.message import run_of

UNACKED = f"{PREFIX}unacked"


@contextmanager
def frozen(platform: Platform, name: str) -> Iterator[None]:
    """Freeze a worker that has no task, so that what is published stays in its queues, until the end of the block."""
    process = platform.workers[name].process
    assert process is not None
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        _end_waiting(platform)
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)


def _end_waiting(platform: Platform) -> None:
    """End what workers ask of Redis: else the next message goes to a frozen one. The others ask again at once."""
    with Redis.from_url(platform.redis_url) as redis:
        for client in redis.client_list():
            if "b" in client["flags"] and client["cmd"] == "brpop":
                redis.client_unblock(client["id"])


def run_of_object(platform: Platform, uid: str) -> str | None:
    """Return the run of an object that has a message, in a queue or with a worker."""
    with Redis.from_url(platform.redis_url) as redis:
        messages = [*_waiting(redis), *(orjson.dumps(orjson.loads(each)[0]) for each in redis.hvals(UNACKED))]
    runs = (run_of(message) for message in messages)
    return next((run for run in runs if run and run.startswith(uid)), None)


def is_queued(platform: Platform, run: str) -> bool:
    """Whether the message of a run stands in a queue."""
    with Redis.from_url(platform.redis_url) as redis:
        return run in map(run_of, _waiting(redis))


def is_leased(platform: Platform, run: str) -> bool:
    """Whether a worker has claimed a run, and has neither ended it nor given it back."""
    return _has(platform, run, "lease")


def is_stopped(platform: Platform, run: str) -> bool:
    """Whether the operator has stopped a run."""
    return _has(platform, run, "stop")


def nothing_runs(platform: Platform) -> bool:
    """Whether there is no message, in a queue or with a worker, and no lease."""
    with Redis.from_url(platform.redis_url) as redis:
        leases = sum(redis.zcount(leases_key(queue), redis.time()[0], "+inf") for queue in _queues(redis))
        return not (leases or redis.hlen(UNACKED) or any(_waiting(redis)))


def _has(platform: Platform, run: str, field: str) -> bool:
    with Redis.from_url(platform.redis_url) as redis:
        return bool(redis.hexists(run_key(run), field))


def _waiting(redis: Redis) -> Iterator[bytes]:
    for queue in _queues(redis):
        for key in queue_keys(queue):
            yield from map(_bytes, redis.lrange(key, 0, -1))


def _queues(redis: Redis) -> list[str]:
    return [_bytes(name).decode() for name in redis.hkeys(PUBLISHED)]


def _bytes(answer: bytes | str) -> bytes:
    """Return an answer as it is for a client that does not decode answers."""
    assert isinstance(answer, bytes)
    return answer
