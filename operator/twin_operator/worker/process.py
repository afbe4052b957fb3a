"""The worker's process, whatever its work: a Celery worker with its status page, its draining flag and its end."""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, Protocol

from billiard.util import get_logger as get_logger_of_children
from celery.signals import setup_logging
from celery.worker import WorkController, state
from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from twin_operator.adapters.health_pages import serve_from_thread
from twin_operator.adapters.metrics.process import bad_record_counter, dead_letter_counter
from twin_operator.adapters.redis_queue.bad_records import BadRecords, RecordKind
from twin_operator.adapters.redis_queue.dead_letters import DeadLetters
from twin_operator.adapters.redis_queue.delivery import Check, Reason
from twin_operator.settings import Settings
from twin_operator.wiring.connections import NOT_SIGNED, build_signing, worker_redis
from twin_operator.wiring.worker import build_parent_claims
from twin_operator.worker.celery_app import create_app
from twin_operator.worker.celery_events import HEARTBEAT_SECONDS, tell_of_worker
from twin_operator.worker.draining import Draining, stop_while_draining
from twin_operator.worker.redelivery import EndAttempt, requests_that
from twin_operator.worker.shutdown import Grace, seconds_to_finish
from twin_operator.worker.tasks import Frame, register
from twin_operator.worker.transport import Guard, guarded_transport

logger = logging.getLogger(__name__)
WORKER_FINDS: Final = (RecordKind.RUN, RecordKind.DELIVERED)  # the records that a worker reads


def serve(
    settings: Settings, queues: Sequence[str], concurrency: int, tier: str, build: Callable[[Settings], Frame]
) -> int:
    """Run a worker until a signal stops it; it finishes its tasks or gives them back. Return the exit code.

    Args:
        settings: the environment.
        queues: to serve.
        concurrency: tasks at a time.
        tier: a label.
        build: builds what runs tasks, in each child process.
    """
    worker = build_worker(settings, queues, concurrency, tier, build, REGISTRY)
    serve_from_thread(REGISTRY, settings.bind_address, settings.metrics_port)
    worker.start()
    return int(worker.exitcode or 0)


def build_worker(
    settings: Settings,
    queues: Sequence[str],
    concurrency: int,
    tier: str,
    build: Callable[[Settings], Frame],
    registry: CollectorRegistry,
) -> WorkController:
    """Build the worker of `serve` without starting it; `registry` takes its metrics."""
    setup_logging.connect(keep_log)
    guard, claims = build_guard(settings, registry), build_parent_claims(settings)
    app = create_app(settings, queues, guarded_transport(guard))

    @cache
    def frame() -> Frame:
        return build(settings)

    draining = Draining(claims.draining)
    grace = Grace(seconds_to_finish(settings.grace_seconds), claims.give_back_of_worker)
    register(app, frame, requests_that(draining, guard.put_aside, guard.drop_record, of_dead_child(grace, claims)))
    stop_while_draining(app, draining)
    grace.install()
    show_worker(registry, draining)
    if settings.task_events:
        tell_of_worker(app, list(queues), concurrency)
    # Not by Celery's command line: that would read BROKER_URL, CONFIG_MODULE and the like from the environment.
    worker: WorkController = app.Worker(
        hostname=f"{tier.lower()}@{settings.identity}",
        pool_cls="prefork",
        concurrency=concurrency,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not settings.task_events,
        heartbeat_interval=HEARTBEAT_SECONDS,
    )
    return worker


def keep_log(**_options: object) -> None:
    """Have Celery leave the log as it is: lines of its own handlers would show secrets that ours hide."""
    children = get_logger_of_children()
    children.setLevel(logging.ERROR)
    children.handlers = list(logging.root.handlers)


class WorkerLeases(Protocol):
    """The leases of this worker's children, whichever child holds them."""

    def give_back_of_worker(self, run: str, queue: str) -> bool:
        """End a lease; its attempt does not count."""

    def end_attempt_of_worker(self, run: str, queue: str) -> bool:
        """End a lease; its attempt stays counted."""


def of_dead_child(grace: Grace, claims: WorkerLeases) -> EndAttempt:
    """Return what ends the attempt of a child that died: by itself it counts, by the grace's end it is given back."""

    def end(run: str, queue: str) -> bool:
        return (claims.give_back_of_worker if grace.returning else claims.end_attempt_of_worker)(run, queue)

    return end


def build_guard(settings: Settings, registry: CollectorRegistry) -> Guard:
    """Build what judges messages as they come, with a connection of the parent process."""
    signing = build_signing(settings)
    if signing is None:
        logger.warning(NOT_SIGNED)
    count = dead_letter_counter([str(reason) for reason in Reason], registry)
    letters = DeadLetters(worker_redis(settings.redis_url))
    bad = BadRecords(bad_record_counter(WORKER_FINDS, registry))
    return Guard(Check(signing, settings.run_ttl_seconds), letters, settings.identity, count, bad)


def show_worker(registry: CollectorRegistry, draining: Draining) -> None:
    """Register gauges: whether the worker is draining, and how many tasks it is executing."""
    drains = Gauge("twinops_worker_draining", "1 while the worker takes no further task.", registry=registry)
    drains.set_function(lambda: float(draining.active))
    running = Gauge("twinops_worker_running_tasks", "Tasks that the worker is executing.", registry=registry)
    running.set_function(lambda: float(len(state.active_requests)))
