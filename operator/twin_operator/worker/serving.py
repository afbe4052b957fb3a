"""The worker's process, whatever its work: a Celery worker with its status page, its draining flag and its end."""

from collections.abc import Callable
from functools import cache

from prometheus_client import REGISTRY

from twin_operator.settings import Settings
from twin_operator.wiring.claims import build_parent_claims
from twin_operator.wiring.status_pages import serve_worker_status
from twin_operator.worker.app import create_app
from twin_operator.worker.draining import Draining, stop_while_draining
from twin_operator.worker.grace import Grace, seconds_to_finish
from twin_operator.worker.meters import show_worker
from twin_operator.worker.reporting import HEARTBEAT_SECONDS, tell_of_worker
from twin_operator.worker.tasks import Frame, register


def serve(settings: Settings, queues: str, concurrency: int, tier: str, build: Callable[[Settings], Frame]) -> None:
    """Run a worker until it is told to stop; it finishes what it has in hand, or gives it back.

    Args:
        settings: the environment.
        queues: separated by commas.
        concurrency: tasks at a time.
        tier: a label.
        build: builds what carries out tasks, in each child process.
    """
    app = create_app(settings)

    @cache
    def frame() -> Frame:
        return build(settings)

    claims = build_parent_claims(settings)
    draining = Draining(claims.draining)
    register(app, frame, draining)
    stop_while_draining(app, draining)
    Grace(seconds_to_finish(settings.grace_seconds), claims.give_back_of_worker).install()
    show_worker(REGISTRY, draining)
    serve_worker_status(settings, REGISTRY)
    name = f"{tier.lower()}@{settings.identity}"
    quiet = ["--without-gossip", "--without-mingle"]
    if settings.task_events:
        tell_of_worker(app, queues.split(","), concurrency)
    heartbeat = ["--heartbeat-interval", str(HEARTBEAT_SECONDS)] if settings.task_events else ["--without-heartbeat"]
    options = ["--pool", "prefork", "--concurrency", str(concurrency), "--queues", queues, "--hostname", name]
    app.worker_main(["worker", "--loglevel", "INFO", *options, *quiet, *heartbeat])
