"""The two tasks of a RetrainingJob: train a candidate, compare it with the champion."""

from collections.abc import Sequence
from dataclasses import asdict

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.twin_model_spec import RetrainingPolicy
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.learning.training_plan import LearnerOverrides, PlanHealth, TrainingPlan, plan_for
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.outcomes.health import Health
from twin_operator.services.reconciling.objects import registered_model
from twin_operator.services.retraining.state import (
    KIND,
    JobSnapshot,
    deadline_of,
    task_queue,
    training_run,
    validation_run,
)
from twin_operator.services.runs.payloads import outcome_to_json
from twin_operator.services.runs.run import JSON, Target, Task, TaskKind
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.runs.twin_spec import learner_of, uncertainty_of


def training_task(snapshot: JobSnapshot, model: JSON, cluster: str, plan: JSON) -> Task:
    """Return the task that trains a candidate by a plan."""
    meta = model["metadata"]
    return _task(
        snapshot,
        TaskKind.RETRAIN,
        training_run(snapshot.job),
        task_queue(TwinModel.model_validate(model), "train"),
        {
            "spec": model["spec"],
            "registeredModel": registered_model(model),
            "owner": f"{cluster}/{meta['namespace']}/{meta['name']}/{meta['uid']}",
            "run": training_run(snapshot.job),
            "job": snapshot.job.uid,
            "trigger": str(snapshot.job.spec.trigger.type),
            "plan": plan,
        },
    )


def validation_task(
    snapshot: JobSnapshot, model: JSON, champion: str, plan: JSON, outcomes: Sequence[RecordedOutcome]
) -> Task:
    """Return the task that compares the candidate with the champion, which was trained by `plan`."""
    trained = snapshot.training.run.outcome
    if trained is None:
        raise LookupError("only a candidate that was trained is compared")
    run = validation_run(snapshot.job, champion)
    return _task(
        snapshot,
        TaskKind.GATE,
        run,
        task_queue(TwinModel.model_validate(model), "validate"),
        {
            "run": run,
            "registeredModel": registered_model(model),
            "candidate": trained.value["version"],
            "champion": champion,
            "plans": {champion: plan},
            "uncertainty": asdict(uncertainty_of(model["spec"])),
            "gate": snapshot.job.spec.gate.manifest(),
            "ledger": [outcome_to_json(outcome) for outcome in outcomes],
        },
    )


def _task(snapshot: JobSnapshot, kind: TaskKind, run: str, queue: str, payload: JSON) -> Task:
    job = snapshot.job
    return Task(
        run=run,
        kind=kind,
        queue=queue,
        target=Target(KIND, job.namespace, job.name, job.uid),
        attempt_limit=job.spec.backoff_limit + 1,
        deadline=deadline_of(snapshot),
        payload=payload,
        trace=trace_of(job.metadata),
    )


def training_plan(body: JSON, model: JSON, health: Health | None, now: float) -> TrainingPlan:
    """Return the plan of a job's training; `now` in seconds since the epoch."""
    spec, policy = model["spec"], RetrainingPolicy.model_validate(model["spec"].get("retraining") or {})
    summary = None if health is None else health.summary
    return plan_for(
        body["spec"]["trigger"]["type"],
        learner_of(spec),
        _overrides(body["spec"].get("learner") or {}),
        PlanHealth(
            score=None if summary is None else summary.score,
            auto_approve_below=policy.auto_approve_below,
            trend_p=None if health is None else health.trend_p,
        ),
        now,
        policy.max_data_age.total_seconds(),
        dated=bool(spec["columns"].get("time") and spec["columns"].get("experiment")),
    )


def _overrides(wishes: JSON) -> LearnerOverrides:
    algorithm = wishes.get("algorithm")
    return LearnerOverrides(
        algorithm=None if algorithm is None else Algorithm(algorithm),
        folds=wishes.get("folds"),
        seed=wishes.get("seed"),
    )
