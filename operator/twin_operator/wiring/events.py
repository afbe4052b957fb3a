"""The objects of the exporter of Celery's events."""

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from twin_operator.adapters.metrics.celery import CeleryMetrics
from twin_operator.adapters.redis_queue.broker import queue_depths
from twin_operator.adapters.redis_queue.event_channel import EventFeed
from twin_operator.services.task_events import TaskEvents
from twin_operator.settings import Settings
from twin_operator.wiring.connections import database_of, events_redis


@dataclass(frozen=True)
class EventsGraph:
    """What `twin-operator events` runs."""

    feed: EventFeed
    depths: Callable[[Collection[str]], Awaitable[dict[str, int]]]
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
        depths=partial(queue_depths, redis),
        events=TaskEvents(metrics, time.time, silent, forget),
        metrics=metrics,
        registry=registry,
        redis=redis,
    )
