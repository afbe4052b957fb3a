"""The consumer group of the results stream, which the first reader creates."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis

from tests.integration.brokers import unsigned_broker


async def test_readers_that_find_no_group_at_once_create_one(redis_server: Any) -> None:
    brokers = [unsigned_broker(Redis.from_url(redis_server.url), 60) for _ in range(8)]
    await brokers[0].redis.flushall()
    await asyncio.gather(*(broker.redis.ping() for broker in brokers))  # connected: all read before one creates
    assert await asyncio.gather(*(broker.reports(pending=True) for broker in brokers)) == [[]] * 8
    for broker in brokers:
        await broker.redis.aclose()
