"""The worker's process: a Celery worker with its status page."""

import logging
from collections.abc import Sequence
from functools import cache
from time import time

from prometheus_client import REGISTRY

from twin_operator.adapters.redis_queue.dead_letters import DeadLetters
from twin_operator.adapters.redis_queue.delivery import Check, Reason
from twin_operator.adapters.worker_metrics import dead_letter_counter
from twin_operator.services.retraining.retrain import retrain_twin
from twin_operator.services.retraining.validate_candidate import validate_candidate
from twin_operator.services.simulate import answer_simulation
from twin_operator.services.tasks import JSON, Outcome, TaskKind
from twin_operator.services.train import train_twin
from twin_operator.services.validate import validate_data
from twin_operator.settings import Settings
from twin_operator.wiring.connections import worker_redis
from twin_operator.wiring.signing import NOT_SIGNED, build_signing
from twin_operator.wiring.status_pages import serve_worker_status
from twin_operator.wiring.worker_graph import build_claims, build_data_source, build_registry
from twin_operator.worker.app import create_app
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.progress import log_progress
from twin_operator.worker.tasks import Frame, register
from twin_operator.worker.transport import Guard, guarded_transport

logger = logging.getLogger(__name__)


def build_frame(settings: Settings) -> Frame:
    """Build what carries out tasks, with connections of this process."""
    registry, source, claims = build_registry(settings), build_data_source(settings), build_claims(settings)

    def simulate(payload: JSON) -> Outcome:
        return answer_simulation(payload, registry)

    def train(payload: JSON) -> Outcome:
        return train_twin(payload, source, registry, log_progress(payload["run"]), time)

    def validate(payload: JSON) -> Outcome:
        return validate_data(payload, source, registry)

    def retrain(payload: JSON) -> Outcome:
        return retrain_twin(payload, source, registry, log_progress(payload["run"]), time)

    def gate(payload: JSON) -> Outcome:
        return validate_candidate(payload, registry, log_progress(payload["run"]))

    work = {
        TaskKind.SIMULATE: simulate,
        TaskKind.TRAIN: train,
        TaskKind.VALIDATE: validate,
        TaskKind.RETRAIN: retrain,
        TaskKind.GATE: gate,
    }
    return Frame(claims, LeaseThread(claims), work)


def run_worker(settings: Settings, queues: Sequence[str], concurrency: int, tier: str) -> int:
    """Run a worker until it is told to stop; it finishes what it has in hand. Return the exit code.

    `queues` and settings have passed the preflight.
    """
    guard = build_guard(settings)
    app = create_app(settings, queues, guarded_transport(guard))

    @cache
    def frame() -> Frame:
        return build_frame(settings)

    register(app, frame, guard.put_aside)
    serve_worker_status(settings, REGISTRY)
    # Not by Celery's command line: that would read BROKER_URL, CONFIG_MODULE and the like from the environment.
    worker = app.Worker(
        hostname=f"{tier.lower()}@{settings.identity}",
        pool_cls="prefork",
        concurrency=concurrency,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def build_guard(settings: Settings) -> Guard:
    """Build what judges messages as they come, with a connection of the parent process."""
    signing = build_signing(settings)
    if signing is None:
        logger.warning(NOT_SIGNED)
    count = dead_letter_counter([str(reason) for reason in Reason], REGISTRY)
    letters = DeadLetters(worker_redis(settings.redis_url))
    return Guard(Check(signing, settings.run_ttl_seconds), letters, settings.identity, count)
