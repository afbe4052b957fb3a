"""Small TwinModels and RetrainingJobs for tests of pure functions, from the parts that a test is about."""

from typing import Any

from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel

SPEC: dict[str, Any] = {
    "data": {"uri": "file:///data/a.csv"},
    "columns": {
        "features": [{"name": "age", "type": "Numeric"}],
        "treatment": {"name": "arm", "control": "A"},
        "outcome": {"name": "y", "type": "Binary", "better": "Higher"},
    },
    "learner": {"algorithm": "Linear", "folds": 5, "seed": 0},
}


def twin_model(name: str = "spring", status: dict[str, Any] | None = None, **spec: Any) -> TwinModel:
    """A TwinModel; `spec` and `status` as in YAML."""
    metadata = {"name": name, "namespace": "n", "uid": "m", "generation": 2}
    return TwinModel.model_validate({"metadata": metadata, "spec": {**SPEC, **spec}, "status": status or {}})


def retraining_job(
    name: str = "job", status: dict[str, Any] | None = None, created: str = "2027-01-15T07:00:00Z", **spec: Any
) -> RetrainingJob:
    """A RetrainingJob of the TwinModel `spring`; `spec` and `status` as in YAML."""
    metadata = {"name": name, "namespace": "n", "uid": "u", "generation": 1, "creationTimestamp": created}
    full = {"modelRef": {"name": "spring"}, **spec}
    return RetrainingJob.model_validate({"metadata": metadata, "spec": full, "status": status or {}})
