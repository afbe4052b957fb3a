"""The operator's side of a real Redis, for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection

from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from twin_operator.adapters.redis_queue.bad_records import BadRecords, KeyTypes
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.adapters.redis_queue.scripts import SCRIPTS


def unsigned_broker(
    redis: Redis,
    run_ttl_seconds: int = 600,
    sent: SentEvents | None = None,
    on_publish: Callable[[Collection[str]], None] = lambda _queues: None,
    found: list[str] | None = None,
) -> Broker:
    """Return a queue whose messages are not signed; `found` takes the kinds of records that it cannot read."""
    return Broker(redis, run_ttl_seconds, on_publish, Messages(), sent, key_types(redis, found))


def key_types(redis: Redis, found: list[str] | None = None) -> KeyTypes:
    """Return what removes keys of another type; `found` takes the kinds of bad records."""
    kinds: list[str] = []
    return KeyTypes(redis, BadRecords((found if found is not None else kinds).append))


def load_scripts(url: str) -> None:
    """Load the scripts of workers, as an operator does that runs."""
    with BlockingRedis.from_url(url) as redis:
        for script in SCRIPTS:
            redis.script_load(script)
