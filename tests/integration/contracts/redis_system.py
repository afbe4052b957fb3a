"""A real Redis with its adapters, as the contract of the queue needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import time
from typing import Any

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.contracts.queue_system import Taken, task
from tests.integration.brokers import unsigned_broker
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.claims import UNACKED_INDEX, Claims
from twin_operator.adapters.redis_queue.dead_letters import DeadLetters
from twin_operator.adapters.redis_queue.loads import Loads
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.adapters.redis_queue.outbox import Outbox
from twin_operator.services.runs.run import Task
from twin_operator.settings import Settings
from twin_operator.worker.attempts import continued
from twin_operator.worker.celery_app import create_app

PRIORITY = 4  # kombu's, of a message that names none


@dataclass(frozen=True)
class KombuTaken:
    """A message as kombu delivers it."""

    tag: str
    task: Task
    message: Any = field(repr=False)


@dataclass
class KombuConsumer:
    """Takes messages by kombu's own transport, with the options of our workers."""

    channel: Any  # kombu's Redis channel: its stubs know only what all transports have

    def take(self, queues: Collection[str]) -> Taken | None:
        self.channel.qos.restore_visible(interval=1)
        for queue in queues:
            message = self.channel.basic_get(queue)
            if message is not None:
                content = orjson.loads(message.body)[0][0]
                found = continued(Task.from_json(content), message.headers.get("traceparent"))
                return KombuTaken(str(message.delivery_tag), found, message)
        return None

    def acknowledge(self, taken: Taken) -> None:
        self.channel.basic_ack(taken.tag)

    def requeue(self, taken: Taken) -> None:
        self.channel.basic_reject(taken.tag, requeue=True)

    def restore(self, taken: Taken) -> None:
        self.channel.qos.restore_by_tag(taken.tag)


class RedisSystem:
    """The adapters on one Redis."""

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url)
        self.connection = AsyncRedis.from_url(url)
        self.queue = unsigned_broker(self.connection, 60)
        self.loads = Loads(self.connection)
        self.outbox = Outbox(self.connection)
        self.letters = DeadLetters(self.redis)
        self._app = create_app(Settings(redis_url=url), [])
        self._kombu = self._app.connection_for_read()

    async def close(self) -> None:
        self._kombu.release()
        self.redis.close()
        await self.connection.aclose()

    def on_publish(self, call: Callable[[Collection[str]], None]) -> None:
        self.queue.on_publish = call

    def claims(self, worker: str = "worker") -> Claims:
        return Claims(self.redis, worker, 10, 60)

    def consumer(self) -> KombuConsumer:
        channel: Any = self._kombu.channel()
        channel.do_restore = False  # at its end it returns nothing: for messages it has vanished
        return KombuConsumer(channel)

    def end_leases(self, queue: str) -> None:
        members: Any = self.redis.zrange(keys.leases_key(queue), 0, -1)
        for member in members:
            self.redis.hset(keys.run_key(member.decode().partition(" ")[0]), "lease_until", 1)
            self.redis.zadd(keys.leases_key(queue), {member: 1})

    def begin_earlier(self, run: str, seconds: float) -> None:
        now, micros = self.redis.time()
        self.redis.hset(keys.run_key(run), "attempt_started", now + micros / 1e6 - seconds)

    def pass_visibility_timeout(self, *tags: str) -> None:
        overdue = {tag: time() - 3_600 + number for number, tag in enumerate(tags)}
        self.redis.zadd(UNACKED_INDEX, overdue, xx=True)

    def life(self, run: str) -> float:
        seconds: Any = self.redis.ttl(keys.run_key(run))
        return max(0.0, float(seconds))

    def flush(self) -> None:
        self.redis.flushall()

    def push(self, queue: str, message: bytes) -> None:
        self.redis.lpush(keys.queue_key(queue, PRIORITY), message)

    def sound_message(self) -> bytes:
        return Messages().write(task())[1]
