"""The operator's side of a real Redis, for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection

from redis.asyncio import Redis

from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.message import Messages


def unsigned_broker(
    redis: Redis,
    run_ttl_seconds: int = 600,
    sent: SentEvents | None = None,
    on_publish: Callable[[Collection[str]], None] = lambda _queues: None,
) -> Broker:
    """Return a queue whose messages are not signed."""
    return Broker(redis, run_ttl_seconds, on_publish, Messages(), sent)
