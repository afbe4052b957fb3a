"""Connections to Redis, patient enough to outlive its restart; and whether it is one to rely on."""

import logging
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError  # noqa: A004 - Redis' own
from redis.retry import Retry

from twin_operator.services.reconciling.errors import Unsafe

logger = logging.getLogger(__name__)

RETRIES: Final = 60  # with at most 2 s between them: two minutes, more than a restart with a large log takes
BACKOFF: Final = ExponentialWithJitterBackoff(cap=2.0, base=0.05)  # seconds
ERRORS: Final[list[type[Exception]]] = [ConnectionError, TimeoutError, BusyLoadingError]
SOCKET_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 2.0  # of a look at the queues: scaling holds what there is rather than wait
IMPATIENT_SECONDS: Final = 1.0  # of a caller that asks again soon, and meanwhile must do other things
OPTIONS: Final[dict[str, Any]] = {
    "socket_timeout": SOCKET_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
ONE_LOOK: Final = 3.0  # seconds that a start may wait for a Redis that does not answer


def worker_redis(url: str) -> Redis:
    """Return a blocking connection."""
    return Redis.from_url(url, retry=Retry(BACKOFF, RETRIES), retry_on_error=ERRORS, **OPTIONS)


def impatient_redis(url: str) -> Redis:
    """Return a blocking connection that gives up soon."""
    retry = Retry(BACKOFF, 1)  # for a connection that a restart has closed
    return Redis.from_url(url, retry=retry, **_hurried(IMPATIENT_SECONDS))


def operator_redis(url: str) -> AsyncRedis:
    """Return an asynchronous connection."""
    return AsyncRedis.from_url(url, retry=AsyncRetry(BACKOFF, RETRIES), retry_on_error=ERRORS, **OPTIONS)


def looking_redis(url: str) -> AsyncRedis:
    """Return an asynchronous connection that gives up soon: whoever only looks comes again."""
    return AsyncRedis.from_url(url, retry=AsyncRetry(NoBackoff(), 1), **_hurried(LOOK_SECONDS))


def events_redis(url: str) -> AsyncRedis:
    """Return an asynchronous connection that does not try again by itself: its user counts how often it was lost."""
    return AsyncRedis.from_url(url, retry=None, **OPTIONS)


def database_of(redis: AsyncRedis) -> int:
    """Return the number of the database that a connection is for."""
    return int(redis.connection_pool.connection_kwargs.get("db") or 0)


def _hurried(seconds: float) -> dict[str, Any]:
    return OPTIONS | {"socket_timeout": seconds, "socket_connect_timeout": seconds}


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
