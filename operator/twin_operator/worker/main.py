"""What a worker does for each kind of task, and its start."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import time
from typing import Protocol

from celery.signals import worker_process_shutdown

from twin_operator.services.runs.credentials import hiding
from twin_operator.services.runs.run import Outcome, Task, TaskKind
from twin_operator.services.runs.training_messages import (
    ComparisonPayload,
    DataCheckPayload,
    RetrainingPayload,
    TrainingPayload,
)
from twin_operator.services.work.compare_versions import validate_candidate
from twin_operator.services.work.inspect_data import validate_data
from twin_operator.services.work.simulate import BankSource, answer_simulation
from twin_operator.services.work.train import DataSource, ModelRegistry, TrainingAttempt, retrain_twin, train_twin
from twin_operator.settings import Settings
from twin_operator.wiring.tracing import build_tracer
from twin_operator.wiring.worker import build_claims, build_data_sources, build_registry
from twin_operator.worker.attempts import Attempts
from twin_operator.worker.leases import LeaseThread, end_process
from twin_operator.worker.process import serve
from twin_operator.worker.tasks import Frame, Work

logger = logging.getLogger(__name__)


class Registry(ModelRegistry, BankSource, Protocol):
    """What tasks need of the model registry."""


def build_frame(settings: Settings) -> Frame:
    """Build what runs tasks, with connections of this process."""
    registry, sources, claims = build_registry(settings), build_data_sources(settings), build_claims(settings)
    attempts = Attempts(build_tracer(settings, "twin-operator-worker"), claims.attempts, hiding(settings.secrets()))
    worker_process_shutdown.connect(lambda **_: attempts.tracer.flush(), weak=False)

    def abandon() -> None:
        attempts.abandon()
        end_process()

    leases = LeaseThread(claims, abandon)
    return Frame(claims, leases, work_of(registry, sources, attempts, time, leases.confirm), attempts)


def work_of(
    registry: Registry,
    sources: Callable[[str], DataSource],
    attempts: Attempts,
    clock: Callable[[], float],
    confirm: Callable[[Task], None],
) -> Mapping[TaskKind, Work]:
    """Return what runs each kind of task.

    Args:
        registry: of models.
        sources: returns the source of past experiments for a namespace.
        attempts: note the progress of long tasks.
        clock: seconds since the epoch.
        confirm: raises where the run of a task is to stop; called before a version is registered, and before it is
            promoted.
    """

    def attempt_at(task: Task, run: str) -> TrainingAttempt:
        progress = log_progress(run, attempts.note)
        return TrainingAttempt(sources(task.target.namespace), registry, progress, clock, partial(confirm, task))

    def simulate(task: Task) -> Outcome:
        return answer_simulation(task.payload, registry)

    def train(task: Task) -> Outcome:
        message = TrainingPayload.model_validate(task.payload)
        return train_twin(message, attempt_at(task, message.run))

    def validate(task: Task) -> Outcome:
        message = DataCheckPayload.model_validate(task.payload)
        return validate_data(message, sources(task.target.namespace), registry)

    def retrain(task: Task) -> Outcome:
        message = RetrainingPayload.model_validate(task.payload)
        return retrain_twin(message, attempt_at(task, message.run))

    def gate(task: Task) -> Outcome:
        message = ComparisonPayload.model_validate(task.payload)
        return validate_candidate(message, registry, log_progress(message.run, attempts.note))

    return {
        TaskKind.SIMULATE: simulate,
        TaskKind.TRAIN: train,
        TaskKind.VALIDATE: validate,
        TaskKind.RETRAIN: retrain,
        TaskKind.GATE: gate,
    }


def run_worker(settings: Settings, queues: Sequence[str], concurrency: int, tier: str) -> int:
    """Run a worker that runs every kind of task; return its exit code.

    `queues` and settings have passed the preflight.
    """
    return serve(settings, queues, concurrency, tier, build_frame)


def log_progress(run: str, note: Callable[[str, float], None]) -> Callable[[float, str], None]:
    """Return a function that logs, and notes, the share done (0 to 1) and a phrase."""

    def report(share: float, phrase: str) -> None:
        logger.info("Run %s: %3.0f %%, %s.", run, 100 * share, phrase)
        note(phrase, share)

    return report
