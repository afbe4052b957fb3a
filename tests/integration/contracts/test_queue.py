"""The adapters of Redis keep the contract of the queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from devcluster.layout import LOOPBACK, free_ports
from tests.contracts.queue import *  # noqa: F403 - the tests
from tests.contracts.queue_claims import *  # noqa: F403 - likewise
from tests.contracts.queue_outage import *  # noqa: F403 - likewise
from tests.contracts.queue_readings import *  # noqa: F403 - likewise
from tests.contracts.queue_system import QueueSystem
from tests.integration.contracts.redis_system import RedisSystem


@pytest.fixture
async def system(redis_server: Any) -> AsyncIterator[QueueSystem]:
    system = RedisSystem(redis_server.url)
    system.flush()
    yield system
    await system.close()


@pytest.fixture
async def away() -> AsyncIterator[QueueSystem]:
    system = RedisSystem(f"redis://{LOOPBACK}:{free_ports(1)[0]}/0")
    yield system
    await system.close()
