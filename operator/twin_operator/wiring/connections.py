"""Connections to Redis, patient enough to outlive its restart; with rediss://, only to who its certificate says."""

from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 - Redis' own
from redis.retry import Retry

from twin_operator.settings import Settings

RETRIES: Final = 60  # with at most 2 s between them: two minutes, more than a restart with a large log takes
BACKOFF: Final = ExponentialWithJitterBackoff(cap=2.0, base=0.05)  # seconds
ERRORS: Final[list[type[Exception]]] = [ConnectionError, TimeoutError, BusyLoadingError]
SOCKET_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 2.0  # of a look at the queues: scaling holds what there is rather than wait
IMPATIENT_SECONDS: Final = 1.0  # of a caller that asks again soon, and meanwhile must do other things


def worker_redis(settings: Settings) -> Redis:
    """Return a blocking connection."""
    return Redis.from_url(settings.redis_url, retry=Retry(BACKOFF, RETRIES), **_options(settings))


def impatient_redis(settings: Settings) -> Redis:
    """Return a blocking connection that gives up soon."""
    retry = Retry(BACKOFF, 1)  # for a connection that a restart has closed
    return Redis.from_url(settings.redis_url, retry=retry, **_hurried(settings, IMPATIENT_SECONDS))


def operator_redis(settings: Settings) -> AsyncRedis:
    """Return an asynchronous connection."""
    return AsyncRedis.from_url(settings.redis_url, retry=AsyncRetry(BACKOFF, RETRIES), **_options(settings))


def looking_redis(settings: Settings) -> AsyncRedis:
    """Return an asynchronous connection that gives up soon: whoever only looks comes again."""
    retry = AsyncRetry(NoBackoff(), 1)
    return AsyncRedis.from_url(settings.redis_url, retry=retry, **_hurried(settings, LOOK_SECONDS))


def events_redis(settings: Settings) -> AsyncRedis:
    """Return an asynchronous connection that does not try again by itself: its user counts how often it was lost."""
    return AsyncRedis.from_url(settings.redis_url, retry=None, **(_options(settings) | {"retry_on_error": None}))


def database_of(redis: AsyncRedis) -> int:
    """Return the number of the database that a connection is for."""
    return int(redis.connection_pool.connection_kwargs.get("db") or 0)


def _hurried(settings: Settings, seconds: float) -> dict[str, Any]:
    hurry = {"retry_on_error": None, "socket_timeout": seconds, "socket_connect_timeout": seconds}
    return _options(settings) | hurry


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "retry_on_error": ERRORS,
        "socket_timeout": SOCKET_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": 5,
        **settings.redis_tls,
    }
