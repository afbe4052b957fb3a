"""A RetrainingJob that ended, as the archive keeps it."""

from twin_operator.services.archive.ports import ArchivedRetraining
from twin_operator.services.reconciling.objects import registered_model
from twin_operator.services.retraining.history import promoted
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import seconds

KEPT = (
    "plan",
    "candidate",
    "champion",
    "gate",
    "attempts",
    "approvedBy",
    "approvedTime",
    "startTime",
    "completionTime",
)


def archived(body: JSON, model: JSON | None) -> ArchivedRetraining:
    """Return the record of a job; `model` is its TwinModel, if it is still there."""
    meta, spec, status = body["metadata"], body["spec"], body["status"]
    name = spec["modelRef"]["name"]
    ready: JSON = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    return ArchivedRetraining(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        model=name,
        registered_model=f"{meta['namespace']}.{name}" if model is None else registered_model(model),
        trigger=spec["trigger"]["type"],
        phase=status["phase"],
        reason=ready.get("reason", ""),
        message=ready.get("message", ""),
        promoted=promoted(body),
        completed=seconds(status["completionTime"]) or 0.0,
        status={key: status[key] for key in KEPT if key in status} | {"spec": spec},
    )
