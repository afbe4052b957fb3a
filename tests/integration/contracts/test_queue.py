"""The adapters of Redis keep the contract of the queue."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from devcluster.layout import LOOPBACK, free_ports
from tests.contracts.queue import *  # noqa: F403 - the tests
from tests.contracts.queue_claims import *  # noqa: F403 - likewise
from tests.contracts.queue_outage import *  # noqa: F403 - likewise
from tests.contracts.queue_readings import *  # noqa: F403 - likewise
from tests.contracts.queue_system import QueueSystem
from tests.integration import redis_users
from tests.integration.contracts.redis_system import RedisSystem


@pytest.fixture
async def system(guarded_redis: str) -> AsyncIterator[QueueSystem]:
    """A Redis with the chart's users, whose rules have to be enough for all that the contract asks for."""
    addresses = [redis_users.address(guarded_redis, user) for user in ("operator", "worker", "taker", "admin")]
    system = RedisSystem(*addresses)
    system.flush()
    redis_users.forget_refusals(guarded_redis)
    yield system
    await system.close()
    assert redis_users.refusals(guarded_redis) == []


@pytest.fixture
async def away() -> AsyncIterator[QueueSystem]:
    nowhere = f"redis://{LOOPBACK}:{free_ports(1)[0]}/0"
    system = RedisSystem(nowhere, nowhere, nowhere, nowhere)
    yield system
    await system.close()
