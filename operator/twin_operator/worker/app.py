"""The Celery application of the workers: one configuration, safe for work that must neither be lost nor run twice."""

from typing import Any, Final

from celery import Celery

from twin_operator.settings import Settings

SOCKET_SECONDS: Final = 10  # a dead connection is noticed within this time


def configuration(settings: Settings) -> dict[str, Any]:
    """Return Celery's configuration.

    Delivery is at least once (late acknowledgement, requeued when a child is lost); claims make it once.
    """
    return {
        "broker_url": settings.redis_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "global_keyprefix": "twinops:",
            "visibility_timeout": settings.visibility_timeout_seconds,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "socket_timeout": SOCKET_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 5,
            "queue_order_strategy": "priority",
            "client_name": "twin-operator-worker",
        },
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "worker_lost_wait": settings.lease_seconds,  # then the lease of a lost child has ended: no claim is refused
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_enable_remote_control": False,
        "worker_send_task_events": settings.task_events,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_default_queue": "simulations",
        "task_create_missing_queues": True,
    }


def create_app(settings: Settings) -> Celery:
    """Build the application without any task."""
    app = Celery("twinops", set_as_current=False)
    app.conf.update(configuration(settings))
    return app
