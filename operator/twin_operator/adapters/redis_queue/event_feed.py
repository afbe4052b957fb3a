"""The stream of Celery's events from Redis, as long as one connection lives."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.event_channel import channel

LOOK_SECONDS: Final = 1.0  # longest wait for a message before the connection's health is looked at


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
                message = await feed.get_message(timeout=LOOK_SECONDS)
                if message is None or message["type"] == "psubscribe":
                    yield None
                elif message["type"] == "pmessage":
                    yield message["data"]

    async def queues(self) -> set[str]:
        """Return the queues that tasks were ever published to."""
        names = await self.redis.hkeys(keys.PUBLISHED)
        return {name.decode() if isinstance(name, bytes) else name for name in names}
