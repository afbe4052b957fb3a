"""Connections to Redis, patient enough to outlive its restart."""

from typing import Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 - Redis' own
from redis.retry import Retry

RETRIES: Final = 60  # with at most 2 s between them: two minutes, more than a restart with a large log takes
BACKOFF: Final = ExponentialWithJitterBackoff(cap=2.0, base=0.05)  # seconds
ERRORS: Final[list[type[Exception]]] = [ConnectionError, TimeoutError, BusyLoadingError]
SOCKET_SECONDS: Final = 10.0


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
