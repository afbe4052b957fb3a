"""Whoever can write to Redis cannot give orders: what is altered is put aside, and the question is answered anyhow."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.redis_queue.keys import DEAD_LETTERS, queue_key

QUEUE = queue_key("simulations", 4)  # where kombu keeps messages of the default priority


@pytest.fixture
def redis(trained: Platform) -> Iterator[Redis]:
    """Redis without dead letters, and without a worker of its questions until the end of the test."""
    trained.workers["light"].stop()
    with Redis.from_url(trained.redis_url) as redis:
        redis.delete(DEAD_LETTERS)
        yield redis
        redis.delete(DEAD_LETTERS)
    trained.workers["light"].stop()
    trained.workers["light"].start()


def altered(message: bytes) -> bytes:
    """Return a message that asks another question, as someone would who wants a certain answer."""
    envelope = json.loads(message)
    body = base64.b64decode(envelope["body"]).replace(b'"Letter"', b'"Nothing"')
    return json.dumps({**envelope, "body": base64.b64encode(body).decode()}).encode()


def test_an_altered_question_is_put_aside_and_the_real_one_is_answered(trained: Platform, redis: Redis) -> None:
    trained.apply("Simulation", "tampered", question(subgroups=[]))
    trained.kube.until(lambda: redis.llen(QUEUE) == 1)
    message = redis.lpop(QUEUE)
    assert isinstance(message, bytes)
    assert altered(message) != message
    redis.lpush(QUEUE, altered(message))
    redis.lpush(QUEUE, b"{{{ no JSON")
    trained.workers["light"].start()
    answer = trained.until_phase("Simulation", "tampered", "Succeeded")
    assert answer["spec"]["intervention"]["arm"] == "Letter"
    assert answer["status"]["attempts"] == 1
    reasons = {fields[b"reason"] for _entry, fields in redis.xrange(DEAD_LETTERS) or () if fields}
    assert reasons == {b"Forged", b"Undecodable"}
    trained.kube.until(lambda: "twinops_dead_letters 2.0" in trained.metrics())


def test_an_answered_question_that_is_played_again_changes_nothing(trained: Platform, redis: Redis) -> None:
    trained.apply("Simulation", "replayed", question(seed=77))
    trained.kube.until(lambda: redis.llen(QUEUE) == 1)
    message = redis.lindex(QUEUE, 0)
    assert message is not None
    trained.workers["light"].start()
    before = trained.until_phase("Simulation", "replayed", "Succeeded")
    redis.lpush(QUEUE, message)
    trained.kube.until(lambda: redis.llen(QUEUE) == 0 and redis.hlen("twinops:unacked") == 0)
    record = redis.hgetall(f"twinops:run:{before['metadata']['uid']}")
    assert record[b"attempts"] == b"1"
    assert trained.get("Simulation", "replayed")["status"] == before["status"]
