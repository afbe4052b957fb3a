"""A Redis and a folder for workers of the test's own."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.integration.brokers import unsigned_broker
from tests.integration.worker.workplace import Workplace


@pytest.fixture
async def place(redis_server: Any, tmp_path: Path) -> AsyncIterator[Workplace]:
    connection = AsyncRedis.from_url(redis_server.url)
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        workplace = Workplace(redis, redis_server.url, tmp_path, unsigned_broker(connection, 3600))
        yield workplace
        for worker in workplace.workers:
            if worker.process.poll() is None:
                worker.signal_all(signal.SIGKILL)
            worker.process.wait()
    await connection.aclose()
