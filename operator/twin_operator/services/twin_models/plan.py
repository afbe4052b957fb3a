"""TwinModels: what is next for each (train, wait, answer): a snapshot and a clock in, a plan out. Pure.

What its status then says is in `status`.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from twin_operator.api.v1alpha1 import TwinModel, TwinModelStatus
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, TwinModelPhase
from twin_operator.services.reconciling.active_version import needs_training, owner_tag, registered_model, serves
from twin_operator.services.reconciling.queue import exponential_backoff
from twin_operator.services.reconciling.status import WAITS_FOR_TURN, Fact, queued_message, stalled
from twin_operator.services.runs.run import Outcome, Run, Target, Task, TaskKind
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.runs.training_messages import TrainedVersion, TrainingPayload
from twin_operator.services.runs.twin_spec import columns_digest, spec_digest
from twin_operator.services.twin_models.status import (
    in_training,
    obstructed,
    with_new_version,
    with_version,
    without_pinned_version,
)
from twin_operator.services.twin_models.upkeep import Upkeep

ATTEMPTS = 4  # of one training task, before its cause is shown and the data is tried again later
NAME_DIGEST: Final = 10  # hex digits: 40 bits distinguish the registered models that one object has had
RETRY_CAP_SECONDS = 3600.0  # longest wait before data errors are tried again


@dataclass(frozen=True)
class Failure:
    """How often a training failed in a row, and when last (seconds since the epoch)."""

    run: str
    times: int
    last: float


@dataclass(frozen=True)
class ModelSnapshot:
    """A TwinModel and the record of its training run.

    Attributes:
        model: the object.
        run: the record of the run `training_run(model)`.
        published: whether its message is in the queue or with a worker.
        served: whether a WorkerPool with workers serves its queue.
        turn: whether its task may be published now: no limit of its queue keeps it waiting.
        chosen: what the registry has about a version that is to become active in place of the present one.
        absent: the pinned version, when the registry has none of that number.
        conflict: the registry's champion, when that is a version without our tag.
        failures: how often its training failed in a row.
        failed: when it failed last, seconds since the epoch.
        upkeep: what a model with an active version needs.
    """

    model: TwinModel
    run: Run
    published: bool
    served: bool = True
    turn: bool = True
    chosen: TrainedVersion | None = None
    absent: str | None = None
    conflict: str | None = None
    failures: int = 0
    failed: float | None = None
    upkeep: Upkeep | None = None

    @property
    def on_its_way(self) -> bool:
        """Whether a worker has the training, or will have it."""
        return self.run.leased or (self.published and self.run.outcome is None and self.run.stop is None)


@dataclass(frozen=True)
class ModelPlan:
    """What to do: write a status, publish a task, plan again at some time.

    Attributes:
        status: to be written.
        task: to be published.
        again: when to plan again, seconds since the epoch.
        retry: whether a failed training is due again: its record is dropped, and then it is planned like a new one.
    """

    status: TwinModelStatus
    task: Task | None = None
    again: float | None = None
    retry: bool = False


def training_run(model: TwinModel) -> str:
    """Return the identity of the training that a TwinModel needs.

    Changed data or learner of a model with an active version lead to a retraining, not to another first training.
    """
    digest = columns_digest(model.spec) if serves(model) else spec_digest(model.spec)
    return "-".join([model.uid, digest, *_training_of_its_own(model)])


def _training_of_its_own(model: TwinModel) -> list[str]:
    """Return what makes a training another one than that of the same spec: another name, a version that was deleted.

    Its result must not be that of the training before, nor its version one that the registry has of that.
    """
    named = registered_model(model) != f"{model.namespace}.{model.name}"
    name = [sha256(registered_model(model).encode()).hexdigest()[:NAME_DIGEST]] if named else []
    retraining = model.status.retraining
    deleted = None if retraining is None else retraining.deleted_run_id or retraining.deleted_version
    return [*name, *([] if deleted is None else [f"after-{deleted}"])]


def plan(snapshot: ModelSnapshot, cluster: str, retry_seconds: float, now: float) -> ModelPlan:
    """Decide what is next for a TwinModel.

    Args:
        snapshot: the object and what is known of its training.
        cluster: uid of this cluster, for the owner tag.
        retry_seconds: first wait before a failed training is tried again; doubles.
        now: seconds since the epoch.
    """
    outcome = _outcome(snapshot.run)
    decision = _answering(snapshot, outcome, now) or _suspended(snapshot, now)
    if decision is not None:
        return decision
    if outcome is not None:
        return _failed(snapshot, outcome, retry_seconds, now)
    return _on_its_way(snapshot, cluster, now)


def _outcome(run: Run) -> Outcome | None:
    """Return how the training ended; without a result after the last attempt it failed."""
    if not exhausted(run):
        return run.outcome
    cause = run.error or "the worker was lost"
    return Outcome(Reason.INTERNAL_ERROR, f"Training failed {ATTEMPTS} times; the last: {cause}.")


def _answering(snapshot: ModelSnapshot, outcome: Outcome | None, now: float) -> ModelPlan | None:
    """Plan for a version that is, becomes or cannot become active; None where a training is needed."""
    model = snapshot.model
    if snapshot.absent is not None:
        return ModelPlan(without_pinned_version(model, snapshot.absent, now))
    if snapshot.chosen is not None:
        return ModelPlan(with_new_version(model, snapshot.chosen, now))
    if serves(model) and not needs_training(model):
        again = None if snapshot.upkeep is None else snapshot.upkeep.again
        status = with_version(model, now, upkeep=snapshot.upkeep, conflict=snapshot.conflict)
        return ModelPlan(status, again=again)
    if outcome is not None and outcome.succeeded:
        return ModelPlan(with_new_version(model, TrainedVersion.model_validate(outcome.value), now))
    return None


def _suspended(snapshot: ModelSnapshot, now: float) -> ModelPlan | None:
    if not snapshot.model.spec.suspend:
        return None
    message = "Suspended; set spec.suspend to false to train."
    fact = Fact(ConditionType.READY, ConditionStatus.FALSE, Reason.SUSPENDED, message)
    return ModelPlan(obstructed(snapshot.model, TwinModelPhase.SUSPENDED, [fact], now))


def _failed(snapshot: ModelSnapshot, outcome: Outcome, retry_seconds: float, now: float) -> ModelPlan:
    again = (snapshot.failed or now) + exponential_backoff(snapshot.failures, retry_seconds, RETRY_CAP_SECONDS)
    message = f"{outcome.message} It is tried again at {timestamp(again)}."
    status = obstructed(snapshot.model, TwinModelPhase.FAILED, stalled(outcome.reason, message), now)
    if now >= again:
        return ModelPlan(status, retry=True)
    return ModelPlan(status, again=again)


def _on_its_way(snapshot: ModelSnapshot, cluster: str, now: float) -> ModelPlan:
    """Plan for a training that has not ended: publish its task, or say where it is."""
    model, run = snapshot.model, snapshot.run
    if run.leased:
        return ModelPlan(in_training(model, Reason.TRAINING, f"Attempt {run.attempts} on {run.worker}.", now))
    queue = model.spec.queue
    if not snapshot.turn:
        message = WAITS_FOR_TURN.format(queue=queue, namespace=model.namespace)
        return ModelPlan(in_training(model, Reason.WAITING_FOR_TURN, message, now))
    reason = Reason.WAITING_FOR_WORKER if snapshot.served else Reason.NO_WORKERS
    status = in_training(model, reason, queued_message(queue, served=snapshot.served), now)
    return ModelPlan(status, training_task(model, cluster) if snapshot.served and not snapshot.published else None)


def exhausted(run: Run) -> bool:
    """Whether every attempt of a training was started and none brought an outcome."""
    return run.outcome is None and not run.leased and run.attempts >= ATTEMPTS


def failure_after(before: Failure | None, run_id: str, run: Run) -> Failure | None:
    """Count a failed training once; `before` is the count so far."""
    refused = run.outcome is not None and not run.outcome.succeeded
    last = run.finished or run.failed or run.started
    if last is None or not (refused or exhausted(run)):
        return before
    if before is None or before.run != run_id:
        return Failure(run_id, 1, last)
    return before if before.last == last else Failure(run_id, before.times + 1, last)


def training_task(model: TwinModel, cluster: str) -> Task:
    """Return the task that trains a TwinModel."""
    run = training_run(model)
    payload = TrainingPayload(
        spec=model.spec, registered_model=registered_model(model), owner=owner_tag(model, cluster), run=run
    )
    return Task(
        run=run,
        kind=TaskKind.TRAIN,
        queue=model.spec.queue,
        target=Target(model.kind, model.namespace, model.name, model.uid),
        attempt_limit=ATTEMPTS,
        payload=payload.wire(),
        trace=trace_of(model.metadata, run),
    )
