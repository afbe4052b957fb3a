"""The objects of the exporter of Celery's events."""

import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from twin_operator.adapters.metrics.celery import CeleryMetrics
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.event_feed import EventFeed
from twin_operator.services.task_events import TaskEvents
from twin_operator.settings import Settings
from twin_operator.wiring.connections import database_of, events_redis


@dataclass(frozen=True)
class EventsGraph:
    """What `twin-operator events` runs."""

    feed: EventFeed
    queues: Broker
    events: TaskEvents
    metrics: CeleryMetrics
    registry: CollectorRegistry
    redis: Redis


def build_events(settings: Settings) -> EventsGraph:
    """Build the graph; nothing is connected yet."""
    registry = CollectorRegistry()
    metrics = CeleryMetrics(registry)
    redis = events_redis(settings.redis_url)
    silent, forget = settings.events_silent_seconds, settings.events_forget_seconds
    return EventsGraph(
        feed=EventFeed(redis, database_of(redis)),
        queues=Broker(redis, settings.run_ttl_seconds),
        events=TaskEvents(metrics, time.time, silent, forget),
        metrics=metrics,
        registry=registry,
        redis=redis,
    )
