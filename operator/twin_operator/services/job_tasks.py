"""The two tasks of a RetrainingJob: train a candidate, compare it with the champion."""

from collections.abc import Sequence

from twin_operator.domain.ledger import RecordedOutcome
from twin_operator.services.jobs import JobSnapshot, task_queue, training_run, validation_run
from twin_operator.services.ledger_json import outcome_to_json
from twin_operator.services.serving import registered_model
from twin_operator.services.tasks import JSON, Task, TaskKind


def training_task(snapshot: JobSnapshot, model: JSON, cluster: str, plan: JSON) -> Task:
    """Return the task that trains a candidate by a plan."""
    meta = model["metadata"]
    return _task(
        snapshot,
        TaskKind.RETRAIN,
        training_run(snapshot.body),
        task_queue(model, "train"),
        {
            "spec": model["spec"],
            "registeredModel": registered_model(model),
            "owner": f"{cluster}/{meta['namespace']}/{meta['name']}/{meta['uid']}",
            "run": training_run(snapshot.body),
            "job": snapshot.body["metadata"]["uid"],
            "trigger": snapshot.body["spec"]["trigger"]["type"],
            "plan": plan,
        },
    )


def validation_task(snapshot: JobSnapshot, model: JSON, outcomes: Sequence[RecordedOutcome], plans: JSON) -> Task:
    """Return the task that compares the candidate with the champion; `plans`: how each of the two was trained."""
    candidate = str((snapshot.training.run.outcome or _none()).value["version"])
    champion = str((snapshot.body["status"].get("champion") or {}).get("version") or snapshot.champion)
    return _task(
        snapshot,
        TaskKind.GATE,
        validation_run(snapshot.body, champion),
        task_queue(model, "validate"),
        {
            "registeredModel": registered_model(model),
            "candidate": candidate,
            "champion": champion,
            "plans": plans,
            "uncertainty": model["spec"]["uncertainty"],
            "gate": snapshot.body["spec"].get("gate") or {"maxRegression": 0.0},
            "ledger": [outcome_to_json(outcome) for outcome in outcomes],
        },
    )
