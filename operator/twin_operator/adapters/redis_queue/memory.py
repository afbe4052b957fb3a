"""Whether Redis keeps what it holds when its memory is full: it must not evict keys, since queues may be among them."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from twin_operator.services.reconciling.errors import Unsafe

logger = logging.getLogger(__name__)
START_SECONDS: Final = 3.0  # that a start may wait for a Redis that does not answer
SAFE: Final = "noeviction"


def refuse_evicting_redis(url: str) -> None:
    """Read the eviction policy of Redis once, when a process starts.

    INFO is read, since users with an ACL may seldom read the configuration. A Redis that does not answer, or not
    this, is left to its administrator with a warning: neither operator nor workers wait for Redis when they start.

    Raises:
        Unsafe: Redis would evict keys.
    """
    try:
        once = Retry(NoBackoff(), 0)
        with Redis.from_url(
            url, retry=once, socket_timeout=START_SECONDS, socket_connect_timeout=START_SECONDS
        ) as redis:
            memory = redis.info("memory")
    except RedisError as error:
        logger.warning("Redis does not report its maxmemory-policy, which has to be noeviction: %s", error)
        return
    _refuse(memory)


async def read_eviction_policy(url: str, seconds: float) -> str:
    """Return the `maxmemory-policy` of Redis.

    Args:
        url: address of Redis.
        seconds: time limit of an answer.

    Raises:
        RedisError: Redis does not answer.
    """
    async with AsyncRedis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds) as redis:
        memory = await redis.info("memory")
    return str(memory["maxmemory_policy"])


def _refuse(memory: Mapping[str, Any]) -> None:
    policy = memory.get("maxmemory_policy", SAFE)
    if policy != SAFE and memory.get("maxmemory"):
        raise Unsafe(f"Set maxmemory-policy of Redis to noeviction, not {policy}: it would drop queues and records.")
    if policy != SAFE:
        logger.warning("Set maxmemory-policy of Redis to noeviction, not %s, before you limit its memory.", policy)
