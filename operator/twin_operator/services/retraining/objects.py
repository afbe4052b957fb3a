"""RetrainingJobs as objects: the manifest of a new one, the Event of its phase, its row in the archive. Pure."""

from twin_operator.api.v1alpha1 import API_VERSION, RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionType, RetrainingJobPhase
from twin_operator.api.v1alpha1.fields import shorten
from twin_operator.services.archive.ports import ArchivedRetraining
from twin_operator.services.reconciling.ports import Event
from twin_operator.services.retraining.history import promoted
from twin_operator.services.retraining.state import KIND
from twin_operator.services.retraining.triggers import Wanted
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import seconds
from twin_operator.services.versions.active import registered_model

KEPT_SECONDS = 2_592_000  # thirty days after its end: the archive keeps what it found for good
MODEL_LABEL = "twinops.dev/model"
LONGEST_LABEL = 63


def job_manifest(model: JSON, wanted: Wanted) -> JSON:
    """Return a job that goes when its TwinModel goes."""
    meta = model["metadata"]
    owner = {
        "apiVersion": API_VERSION,
        "kind": "TwinModel",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    labels = {MODEL_LABEL: meta["name"]} if len(meta["name"]) <= LONGEST_LABEL else {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": wanted.name,
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "modelRef": {"name": meta["name"]},
            "trigger": {"type": str(wanted.trigger), "message": shorten(wanted.message)},
            "ttlSecondsAfterFinished": KEPT_SECONDS,
        },
    }


TOLD = {
    "AwaitingApproval": ("AwaitingApproval", False),
    "Training": ("RetrainingStarted", False),
    "Rejected": ("Rejected", False),
    "Cancelled": ("Cancelled", False),
    "Failed": ("RetrainingFailed", True),
}


def event_of(body: JSON, status: JSON) -> Event | None:
    """Return the Event of a change of phase, if it is one."""
    phase = status.get("phase")
    if phase == (body.get("status") or {}).get("phase"):
        return None
    message = next((c["message"] for c in status["conditions"] if c["type"] in {"Promoted", "Ready"}), "")
    if phase == RetrainingJobPhase.COMPLETED:
        passed = ((status.get("gate") or {}).get("passed")) is True
        promoted = next((c["message"] for c in status["conditions"] if c["type"] == ConditionType.PROMOTED), message)
        return Event(
            RetrainingJob.model_validate(body), "Promoted" if passed else "NotBetter", promoted, occasion="end"
        )
    if phase not in TOLD:
        return None
    reason, warning = TOLD[phase]
    ready = next((c["message"] for c in status["conditions"] if c["type"] == ConditionType.READY), message)
    return Event(RetrainingJob.model_validate(body), reason, ready, warning=warning, occasion=str(phase))


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
    ready: JSON = next((c for c in status.get("conditions") or () if c["type"] == ConditionType.READY), {})
    return ArchivedRetraining(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        model=name,
        registered_model=f"{meta['namespace']}.{name}"
        if model is None
        else registered_model(TwinModel.model_validate(model)),
        trigger=spec["trigger"]["type"],
        phase=status["phase"],
        reason=ready.get("reason", ""),
        message=ready.get("message", ""),
        promoted=promoted(body),
        completed=seconds(status["completionTime"]) or 0.0,
        status={key: status[key] for key in KEPT if key in status} | {"spec": spec},
    )
