"""A worker's way to its claims: for its children, built in each after the fork, and for their parent."""

from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.settings import Settings
from twin_operator.wiring.connections import impatient_redis, worker_redis


def build_claims(settings: Settings) -> Claims:
    """Return the worker's side of runs."""
    redis = worker_redis(settings.redis_url)
    return Claims(redis, settings.identity, settings.lease_seconds, settings.run_ttl_seconds)


def build_parent_claims(settings: Settings) -> Claims:
    """Return what the parent asks and gives back: it has an event loop, and little time at its end."""
    redis = impatient_redis(settings.redis_url)
    return Claims(redis, settings.identity, settings.lease_seconds, settings.run_ttl_seconds)
