"""A real Redis with its adapters, as the contract of the queue needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from time import time
from typing import Any

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.contracts.queue_system import Taken, task
from tests.integration.brokers import unsigned_broker
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.adapters.redis_queue.dead_letters import DeadLetter, DeadLetters
from twin_operator.adapters.redis_queue.delivery import Refusal
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


@dataclass(frozen=True)
class OwnLetters:
    """The dead letters: workers put messages there, and the operator's commands do the rest."""

    worker: DeadLetters
    operator: DeadLetters

    def add(self, message: bytes, queue: str, refusal: Refusal, worker: str) -> str:
        return self.worker.add(message, queue, refusal, worker)

    def newest(self, count: int) -> Iterator[DeadLetter]:
        return self.operator.newest(count)

    def find(self, entry: str) -> DeadLetter | None:
        return self.operator.find(entry)

    def requeue(self, letter: DeadLetter) -> None:
        self.operator.requeue(letter)

    def purge(self) -> int:
        return self.operator.purge()


class RedisSystem:
    """The adapters on one Redis, each with the rights of its user.

    Args:
        operator: address for the operator.
        worker: address for workers.
        taker: address for a worker that takes messages without waiting.
        admin: address for what the test does.
    """

    def __init__(self, operator: str, worker: str, taker: str, admin: str) -> None:
        self.redis = Redis.from_url(admin)
        self.connection = AsyncRedis.from_url(operator)
        self._bad: list[str] = []
        self.queue = unsigned_broker(self.connection, 60, found=self._bad)
        self.loads = Loads(self.connection, self.queue.types)
        self.outbox = Outbox(self.connection, self.queue.types)
        self._worker = Redis.from_url(worker)
        self._operator = Redis.from_url(operator)
        self.letters = OwnLetters(DeadLetters(self._worker), DeadLetters(self._operator))
        self._app = create_app(Settings(redis_url=taker), [])
        self._kombu = self._app.connection_for_read()

    async def close(self) -> None:
        self._kombu.release()
        for each in (self.redis, self._worker, self._operator):
            each.close()
        await self.connection.aclose()

    def on_publish(self, call: Callable[[Collection[str]], None]) -> None:
        self.queue.on_publish = call

    def claims(self, worker: str = "worker") -> Claims:
        return Claims(self._worker, worker, 10, 60, 1)

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
        self.redis.zadd(keys.UNACKED_INDEX, overdue, xx=True)

    def life(self, run: str) -> float:
        seconds: Any = self.redis.ttl(keys.run_key(run))
        return max(0.0, float(seconds))

    def flush(self) -> None:
        self.redis.flushall()

    def push(self, queue: str, message: bytes) -> None:
        self.redis.lpush(keys.queue_key(queue, PRIORITY), message)

    def report(self, content: bytes) -> None:
        self._worker.xadd(keys.RESULTS, {"report": content})

    def deliver(self, content: bytes) -> None:
        self._worker.hset(keys.UNACKED, "tag", content)

    def bad_records(self) -> list[str]:
        return self._bad

    def sound_message(self) -> bytes:
        return Messages().write(task())[1]
