"""Connections to Redis, patient enough to outlive its restart; and whether it is one to rely on."""

import logging
from typing import Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError  # noqa: A004 - Redis' own
from redis.retry import Retry

from twin_operator.services.errors import Unsafe

logger = logging.getLogger(__name__)

RETRIES: Final = 60  # with at most 2 s between them: two minutes, more than a restart with a large log takes
BACKOFF: Final = ExponentialWithJitterBackoff(cap=2.0, base=0.05)  # seconds
ERRORS: Final[list[type[Exception]]] = [ConnectionError, TimeoutError, BusyLoadingError]
SOCKET_SECONDS: Final = 10.0
ONE_LOOK: Final = 3.0  # seconds that a start may wait for a Redis that does not answer


def worker_redis(url: str) -> Redis:
    """Return a blocking connection."""
    return Redis.from_url(
        url,
        retry=Retry(BACKOFF, RETRIES),
        retry_on_error=ERRORS,
        socket_timeout=SOCKET_SECONDS,
        socket_keepalive=True,
        health_check_interval=5,
    )


def operator_redis(url: str) -> AsyncRedis:
    """Return an asynchronous connection."""
    return AsyncRedis.from_url(
        url,
        retry=AsyncRetry(BACKOFF, RETRIES),
        retry_on_error=ERRORS,
        socket_timeout=SOCKET_SECONDS,
        socket_keepalive=True,
        health_check_interval=5,
    )


def refuse_evicting_redis(url: str) -> None:
    """Ask Redis, once, whether it drops keys when its memory is full: a queue may be among them.

    INFO is asked, since users with an ACL may seldom read the configuration. A Redis that does not answer, or not
    this, is left to its administrator with a warning: neither operator nor workers wait for Redis when they start.

    Raises:
        Unsafe: it does.
    """
    try:
        once = Retry(NoBackoff(), 0)
        with Redis.from_url(url, retry=once, socket_timeout=ONE_LOOK, socket_connect_timeout=ONE_LOOK) as redis:
            memory = redis.info("memory")
    except RedisError as error:
        logger.warning("Redis does not tell its maxmemory-policy, which has to be noeviction: %s", error)
        return
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and memory.get("maxmemory"):
        raise Unsafe(f"Set maxmemory-policy of Redis to noeviction, not {policy}: it would drop queues and records.")
    if policy != "noeviction":
        logger.warning("Set maxmemory-policy of Redis to noeviction, not %s, before you limit its memory.", policy)
