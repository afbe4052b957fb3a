"""The RetrainingJobs that the operator makes itself."""

from twin_operator.api.v1alpha1 import API_VERSION
from twin_operator.api.v1alpha1.fields import shorten
from twin_operator.services.retraining.state import KIND
from twin_operator.services.retraining.triggers import Wanted
from twin_operator.services.runs.run import JSON

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
