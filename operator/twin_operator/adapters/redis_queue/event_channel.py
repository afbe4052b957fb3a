"""Celery's events as they travel through Redis: the channel, one event written, and messages of events read.

kombu publishes them with PUBLISH on a channel for each routing key; nothing is stored, so what is published while no
reader is connected is lost. Why not Celery's own receiver: docs/decisions/celery-events.md.
"""

import base64
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.services.runs.run import JSON, Task
from twin_operator.services.task_events import SENDER

EXCHANGE: Final = "celeryev"
READ_SECONDS: Final = 1.0  # longest wait for a message before the connection's health is checked


class Unreadable(ValueError):  # noqa: N818 - a fact about the message
    """What came through the channel is no message of events."""


def channel(database: int, routing_key: str) -> str:
    """Return the channel of a routing key; with `*`, the pattern of all. A channel belongs to no database by itself."""
    return f"{keys.PREFIX}/{database}.{EXCHANGE}/{routing_key}"


@dataclass(frozen=True)
class SentEvents:
    """Sends the events of published tasks, as Celery's own producer would: the operator writes messages itself.

    Args:
        database: number of the Redis database that the queues are in.
    """

    database: int

    def write(self, task: Task, now: float) -> tuple[str, bytes]:
        """Return the channel and the message of the event that `task` was sent at `now`, seconds since the epoch."""
        event = {
            "type": "task-sent",
            "uuid": task.run,
            "name": f"twinops.{task.kind}",
            "queue": task.queue,
            "routing_key": task.queue,
            "hostname": SENDER,
            "timestamp": now,
            "utcoffset": 0,
            "retries": 0,
        }
        return channel(self.database, "task.sent"), _message(event)


def read(message: bytes) -> list[JSON]:
    """Return the events of a message: workers send those of tasks several at a time.

    Raises:
        Unreadable: it is something else.
    """
    try:
        envelope = orjson.loads(message)
        body = envelope["body"]
        if envelope["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        content = orjson.loads(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable("A message of events is not in kombu's form.") from error
    events = content if isinstance(content, list) else [content]
    if not all(isinstance(event, dict) and isinstance(event.get("type"), str) for event in events):
        raise Unreadable("A message of events holds something that has no type.")
    return events


def _message(event: JSON) -> bytes:
    envelope: dict[str, Any] = {
        "body": base64.b64encode(orjson.dumps(event)).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"hostname": SENDER},
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": EXCHANGE, "routing_key": "task.sent"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return orjson.dumps(envelope)


@dataclass(frozen=True)
class EventFeed:
    """Reads the messages of events of one database.

    Args:
        redis: a client that does not try again by itself: what is missed meanwhile is to be known.
        database: number of the Redis database that the queues are in.
    """

    redis: Redis
    database: int

    async def messages(self) -> AsyncIterator[bytes | None]:
        """Yield None once subscribed and whenever nothing came for a second, and each message.

        Raises:
            redis.exceptions.RedisError: the connection is lost.
        """
        async with self.redis.pubsub() as feed:
            await feed.psubscribe(channel(self.database, "*"))
            while True:
                message = await feed.get_message(timeout=READ_SECONDS)
                if message is None or message["type"] == "psubscribe":
                    yield None
                elif message["type"] == "pmessage":
                    yield message["data"]

    async def queues(self) -> set[str]:
        """Return the queues that tasks were ever published to."""
        names = await self.redis.hkeys(keys.PUBLISHED)
        return {name.decode(errors="replace") if isinstance(name, bytes) else name for name in names}
