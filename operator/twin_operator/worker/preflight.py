"""What a worker looks at before it starts; apart from `main`, whose learners take seconds to import."""

from twin_operator.settings import Settings
from twin_operator.wiring.connections import refuse_evicting_redis
from twin_operator.wiring.signing import build_signing
from twin_operator.worker.celery_app import create_app
from twin_operator.worker.configuration_rules import (
    check_concurrency,
    installed_versions,
    queue_names,
    refuse_old,
    refuse_unsafe,
)


def preflight(settings: Settings, queues: str, concurrency: int) -> tuple[str, ...]:
    """Return the queues to serve, where nothing speaks against a start.

    Raises:
        Unsafe: the worker would lose work, do it twice, or take orders from strangers.
    """
    served = queue_names(queues)
    check_concurrency(concurrency)
    refuse_old(installed_versions())
    refuse_unsafe(create_app(settings, served).conf, settings)
    build_signing(settings)
    refuse_evicting_redis(settings.redis_url)
    return served
