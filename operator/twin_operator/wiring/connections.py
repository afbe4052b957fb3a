"""How each process connects to Redis, with retries that cover its restart, and the operator to MLflow; signing keys."""

from collections.abc import Callable, Collection
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 - Redis' own
from redis.retry import Retry

from twin_operator.adapters.mlflow_rest.api import MlflowServer
from twin_operator.adapters.redis_queue.bad_records import KeyTypes
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.message import Messages, Signing
from twin_operator.adapters.redis_queue.traced_broker import TracedBroker
from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.services.runs.tracing import NoTracer, Tracer
from twin_operator.settings import Settings

RETRIES: Final = 60  # with at most 2 s between them: two minutes, more than a restart with a large log takes
BACKOFF: Final = ExponentialWithJitterBackoff(cap=2.0, base=0.05)  # seconds
ERRORS: Final[list[type[Exception]]] = [ConnectionError, TimeoutError, BusyLoadingError]
SOCKET_SECONDS: Final = 10.0
READ_SECONDS: Final = 2.0  # of a reading of the queues: scaling keeps what there is rather than wait
IMPATIENT_SECONDS: Final = 1.0  # of a caller that asks again soon, and meanwhile must do other things
SCRIPT_SECONDS: Final = 120.0  # that a worker waits for its scripts, as long as for Redis itself (`RETRIES`)
OPTIONS: Final[dict[str, Any]] = {
    "socket_timeout": SOCKET_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
NOT_SIGNED: Final = (
    "Messages are neither signed nor checked, since TWINOPS_SIGNING_KEY is empty: whoever can write to Redis can give "
    "orders to workers."
)


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
    """Return an asynchronous connection that gives up soon: a reading of the queues is repeated anyway."""
    return AsyncRedis.from_url(url, retry=AsyncRetry(NoBackoff(), 1), **_hurried(READ_SECONDS))


def events_redis(url: str) -> AsyncRedis:
    """Return an asynchronous connection that does not try again by itself: its user counts how often it was lost."""
    return AsyncRedis.from_url(url, retry=None, **OPTIONS)


def database_of(redis: AsyncRedis) -> int:
    """Return the number of the database that a connection is for."""
    return int(redis.connection_pool.connection_kwargs.get("db") or 0)


def _hurried(seconds: float) -> dict[str, Any]:
    return OPTIONS | {"socket_timeout": seconds, "socket_connect_timeout": seconds}


def build_signing(settings: Settings) -> Signing | None:
    """Return what signs and verifies messages; None where there is no key.

    Raises:
        Unsafe: there is a previous key and no current one.
    """
    key, previous = settings.signing_key.get_secret_value(), settings.signing_key_previous.get_secret_value()
    if previous and not key:
        raise Unsafe("Set TWINOPS_SIGNING_KEY besides TWINOPS_SIGNING_KEY_PREVIOUS: messages would not be signed.")
    return Signing(key.encode(), previous.encode()) if key else None


def mlflow_server(settings: Settings) -> MlflowServer:
    """Return where MLflow is and what is shown to it; raise `Unsafe` where that is a way that the operator lacks."""
    if settings.mlflow_aws_sigv4 or settings.mlflow_auth:
        raise Unsafe(
            "Remove MLFLOW_TRACKING_AWS_SIGV4 and MLFLOW_TRACKING_AUTH from the operator: it authenticates itself at "
            "MLflow with a user and password, a token or a client certificate."
        )
    return MlflowServer(
        tracking_uri=settings.mlflow_tracking_uri,
        username=settings.mlflow_tracking_username,
        password=settings.mlflow_tracking_password.get_secret_value(),
        token=settings.mlflow_tracking_token.get_secret_value(),
        workspace=settings.mlflow_workspace,
        authority=settings.mlflow_server_cert_path,
        client_certificate=settings.mlflow_client_cert_path,
        insecure_tls=settings.mlflow_insecure_tls,
        timeout=settings.mlflow_request_seconds,
    )


def build_queue(
    redis: AsyncRedis,
    settings: Settings,
    tracer: Tracer,
    on_publish: Callable[[Collection[str]], None],
    types: KeyTypes,
) -> Broker:
    """Return the queue; one that records publications where spans are recorded at all."""
    sent = SentEvents(database_of(redis)) if settings.task_events else None
    messages = Messages(build_signing(settings))
    if isinstance(tracer, NoTracer):
        return Broker(redis, settings.run_ttl_seconds, on_publish, messages, sent, types)
    return TracedBroker(redis, settings.run_ttl_seconds, on_publish, messages, sent, types, tracer=tracer)
