"""Celery's own receiver reads the operator's events of sent tasks, and the exporter those of Celery's dispatcher."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.integration.brokers import unsigned_broker
from twin_operator.adapters.redis_queue.event_channel import SentEvents, Unreadable, channel, read
from twin_operator.services.runs.run import Target, Task, TaskKind

TASK = Task("run", TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", "run"), 1, {})
DATABASE = 3


@pytest.fixture
def app(redis_server: Any) -> Celery:
    app = Celery("listener", set_as_current=False)
    app.conf.update(
        broker_url=redis_server.url.removesuffix("/0") + f"/{DATABASE}",
        broker_transport_options={"global_keyprefix": "twinops:"},
    )
    return app


async def publish(url: str) -> None:
    redis = AsyncRedis.from_url(url)
    await unsigned_broker(redis, 60, SentEvents(DATABASE)).publish([TASK])
    assert await redis.llen("twinops:simulations\x06\x163") == 1
    await redis.delete("twinops:simulations\x06\x163")
    await redis.aclose()


def test_celerys_own_receiver_understands_what_the_operator_tells(app: Celery) -> None:
    received: list[dict[str, Any]] = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-sent": received.append})
        with receiver.consumer_context(wakeup=False) as (own, _channel, _consumers):
            with suppress(TimeoutError):  # it subscribes at its first read
                own.drain_events(timeout=1)
            asyncio.run(publish(app.conf.broker_url))
            own.drain_events(timeout=300)
    told = {key: received[0][key] for key in ("uuid", "name", "queue", "hostname")}
    assert told == {"uuid": "run", "name": "twinops.simulate", "queue": "simulations", "hostname": "operator"}


def test_what_celerys_own_dispatcher_sends_is_read(app: Celery) -> None:
    with Redis.from_url(app.conf.broker_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as feed:
        feed.psubscribe(channel(DATABASE, "*"))
        feed.get_message(timeout=60)
        with app.connection() as connection:
            dispatcher = app.events.Dispatcher(connection, hostname="light@pod", buffer_group=["task"])
            dispatcher.send("task-started", uuid="a")
            dispatcher.send("task-started", uuid="b")
            dispatcher.flush()
            dispatcher.send("worker-heartbeat", freq=5)
        messages = [feed.get_message(timeout=60) for _ in range(2)]
    told = [(event["type"], event.get("uuid")) for message in messages if message for event in read(message["data"])]
    assert told == [("task-started", "a"), ("task-started", "b"), ("worker-heartbeat", None)]


@pytest.mark.parametrize(
    "message", [b"", b"{", b"[]", b'{"body": 1, "properties": {}}', b'{"body": "{}", "properties": {}}']
)
def test_what_is_no_event_is_refused(message: bytes) -> None:
    with pytest.raises(Unreadable):
        read(message)
