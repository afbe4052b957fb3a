"""The Celery application of the workers: one configuration, safe for work that must neither be lost nor run twice."""

import math
from collections.abc import Sequence
from typing import Any, Final

from celery import Celery
from kombu import Exchange, Queue

from twin_operator.adapters.redis_queue import keys
from twin_operator.settings import Settings

SOCKET_SECONDS: Final = 10  # a dead connection is noticed within this time
VISIBILITY_LEASES: Final = 1.5
"""Visibility timeout in lives of a lease: longer than one, or a message returns while its claim still holds."""
RESTORE_LOCK_SECONDS: Final = 10
"""A worker that died, or whose Redis had forgotten the script that ends the lock, keeps the others so long from polling
for messages to restore; kombu's own 5 minutes are longer than a Simulation may wait. Restoring is a transaction."""
RESTORE_SECONDS: Final = 2  # between two polls for messages whose visibility timeout has passed
HEALTH_SECONDS: Final = 5  # between two checks of an idle connection: a half-open one waits for ever


def configuration(settings: Settings) -> dict[str, Any]:
    """Return Celery's configuration: ours, with `settings.celery_overrides` over it.

    Delivery is at least once (late acknowledgement, requeued when a child is lost); claims make it once. Nothing is
    published through Celery, so there are no routes: a task's queue is in its object's spec.
    """
    overrides = dict(settings.celery_overrides)
    tuned = overrides.pop("broker_transport_options", {})
    return {
        "broker_url": settings.redis_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {**_transport_options(settings), **(tuned if isinstance(tuned, dict) else {})},
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "task_protocol": 2,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_routes": None,
        "result_backend": None,
        "beat_schedule": {},
        "worker_pool": "prefork",
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_enable_remote_control": False,
        "worker_send_task_events": settings.task_events,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_default_queue": "simulations",
        "task_create_missing_queues": False,
        **overrides,
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    return {
        "global_keyprefix": keys.PREFIX,
        "priority_steps": list(keys.PRIORITY_STEPS),
        "sep": keys.PRIORITY_SEPARATOR,
        "visibility_timeout": math.ceil(VISIBILITY_LEASES * settings.lease_seconds),
        "unacked_restore_interval": RESTORE_SECONDS,
        "unacked_mutex_expire": RESTORE_LOCK_SECONDS,
        "unacked_restore_throttle": 1,
        "socket_timeout": SOCKET_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_SECONDS,
        "queue_order_strategy": "priority",
        "client_name": "twin-operator-worker",
    }


def create_app(settings: Settings, queues: Sequence[str], transport: object = None) -> Celery:
    """Build the application without any task.

    Args:
        settings: all of them.
        queues: that the worker serves; Celery knows no others and makes none.
        transport: class that reads from Redis; None for kombu's own.
    """
    app = Celery("twinops", set_as_current=False)
    app.conf.update(configuration(settings))
    direct = Exchange("")  # the list of a queue has its name: there are no bindings to look up
    app.conf.update(task_queues=[Queue(name, direct, routing_key=name) for name in queues])
    if transport is not None:
        app.conf.update(broker_transport=transport)
    return app
