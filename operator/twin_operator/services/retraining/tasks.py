"""The two tasks of a RetrainingJob: train a candidate, compare it with the champion."""

from collections.abc import Sequence

from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.learning.training_plan import LearnerOverrides, PlanHealth, TrainingPlan, plan_for
from twin_operator.services.outcomes.health import Health
from twin_operator.services.reconciling.active_version import owner_tag, registered_model
from twin_operator.services.retraining.state import task_queue, training_run, validation_run
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.runs.training_messages import ComparisonPayload, RetrainingPayload, TrainedVersion
from twin_operator.services.runs.twin_spec import learner_of, uncertainty_of


def training_task(job: RetrainingJob, model: TwinModel, cluster: str, plan: TrainingPlan) -> Task:
    """Return the task that trains a candidate by a plan; `cluster`: uid of the cluster."""
    run = training_run(job)
    payload = RetrainingPayload(
        spec=model.spec,
        registered_model=registered_model(model),
        owner=owner_tag(model, cluster),
        run=run,
        job=job.uid,
        trigger=job.spec.trigger.type,
        plan=plan,
    )
    return _task(job, TaskKind.RETRAIN, run, task_queue(model, "train"), payload)


def validation_task(
    job: RetrainingJob,
    model: TwinModel,
    versions: tuple[TrainedVersion, TrainedVersion],
    outcomes: Sequence[RecordedOutcome],
) -> Task:
    """Return the task that compares two versions: the candidate, and the champion with the plan it was trained by."""
    candidate, champion = versions
    run = validation_run(job, champion.version)
    payload = ComparisonPayload(
        run=run,
        registered_model=registered_model(model),
        candidate=candidate.version,
        champion=champion.version,
        mlflow_runs={each.version: each.run_id for each in versions if each.run_id is not None},
        plans={champion.version: champion.plan},
        uncertainty=uncertainty_of(model.spec),
        gate=job.spec.gate,
        ledger=tuple(outcomes),
    )
    return _task(job, TaskKind.GATE, run, task_queue(model, "validate"), payload)


def _task(
    job: RetrainingJob, kind: TaskKind, run: str, queue: str, payload: RetrainingPayload | ComparisonPayload
) -> Task:
    return Task(
        run=run,
        kind=kind,
        queue=queue,
        target=Target(job.kind, job.namespace, job.name, job.uid),
        attempt_limit=job.spec.backoff_limit + 1,
        deadline=_deadline(job),
        payload=payload.wire(),
        trace=trace_of(job.metadata),
    )


def _deadline(job: RetrainingJob) -> float | None:
    """Return when `spec.activeDeadlineSeconds` after the start of Training are over, seconds since the epoch."""
    limit, begun = job.spec.active_deadline_seconds, job.status.start_time
    return None if limit is None or begun is None else begun.timestamp() + limit


def training_plan(job: RetrainingJob, model: TwinModel, health: Health | None, now: float) -> TrainingPlan:
    """Return the plan of a job's training; `now` in seconds since the epoch."""
    columns = model.spec.columns
    summary = None if health is None else health.summary
    return plan_for(
        job.spec.trigger.type,
        learner_of(model.spec),
        _overrides(job),
        PlanHealth(
            score=None if summary is None else summary.score,
            trend_p=None if health is None else health.trend_p,
        ),
        now,
        model.spec.retraining.max_data_age.total_seconds(),
        dated=bool(columns.time and columns.experiment),
    )


def _overrides(job: RetrainingJob) -> LearnerOverrides:
    wanted = job.spec.learner
    if wanted is None:
        return LearnerOverrides()
    return LearnerOverrides(algorithm=wanted.algorithm, folds=wanted.folds, seed=wanted.seed)
