"""The operator's queue, with what is told of a publication."""

from redis.asyncio import Redis

from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.adapters.redis_queue.traced_broker import TracedBroker
from twin_operator.services.runs.tracing import NoTracer, Tracer
from twin_operator.settings import Settings
from twin_operator.wiring.connections import database_of
from twin_operator.wiring.signing import build_signing


def build_queue(redis: Redis, settings: Settings, tracer: Tracer) -> Broker:
    """Return the queue; one that records publications where spans are recorded at all."""
    sent = SentEvents(database_of(redis)) if settings.task_events else None
    messages = Messages(build_signing(settings))
    if isinstance(tracer, NoTracer):
        return Broker(redis, settings.run_ttl_seconds, sent, messages=messages)
    return TracedBroker(redis, settings.run_ttl_seconds, sent, messages=messages, tracer=tracer)
