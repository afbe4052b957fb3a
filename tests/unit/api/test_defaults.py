"""The defaults that users can rely on, in the CRDs and in the models alike."""

from typing import Any, Final

import pytest

from tests.manifests import load_manifest
from twin_operator.api.v1alpha1 import RetrainingJob, Simulation, TwinModel, WorkerPool
from twin_operator.crdgen import generate

ROOTS: Final = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for crd in map(load_manifest, generate().values())
}
COLUMNS: Final = {
    "features": [{"name": "recency", "type": "Numeric"}],
    "treatment": {"name": "segment", "control": "No E-Mail"},
    "outcome": {"name": "visit", "type": "Binary", "better": "Higher"},
}
MODEL: Final = {"name": "hillstrom"}
LEAST: Final = {
    "TwinModel": TwinModel.model_validate({"spec": {"data": {"uri": "file:///data/x.csv"}, "columns": COLUMNS}}),
    "Simulation": Simulation.model_validate({"spec": {"modelRef": MODEL, "intervention": {"arm": "Mens E-Mail"}}}),
    "RetrainingJob": RetrainingJob.model_validate({"spec": {"modelRef": MODEL}}),
    "WorkerPool": WorkerPool.model_validate({"spec": {"queues": ["simulations"], "autoscaling": {"maxReplicas": 8}}}),
}
DEFAULTS: Final[dict[str, dict[str, object]]] = {
    "TwinModel": {
        "spec.population": "Custom",
        "spec.columns.assignment": "Randomized",
        "spec.learner.algorithm": "GradientBoosting",
        "spec.learner.folds": 5,
        "spec.learner.seed": 0,
        "spec.uncertainty.confidence": 0.95,
        "spec.uncertainty.betweenExperimentScale": 0.25,
        "spec.uncertainty.acceptPrior": False,
        "spec.fidelity.threshold": 0.70,
        "spec.fidelity.minValidations": 5,
        "spec.fidelity.maxMeanRelativeError": 0.25,
        "spec.fidelity.minIntervalCoverage": 0.80,
        "spec.fidelity.window": 50,
        "spec.retraining.suspend": False,
        "spec.retraining.cooldown": "24h",
        "spec.retraining.approval": "Manual",
        "spec.retraining.autoApproveBelow": 0.0,
        "spec.retraining.maxAttempts": 3,
        "spec.retraining.minSamples": 1000,
        "spec.retraining.maxDataAge": "2160h",
        "spec.retraining.timeZone": "Etc/UTC",
        "spec.queue": "training",
        "spec.deletionPolicy": "Retain",
        "spec.suspend": False,
    },
    "Simulation": {
        "spec.seed": 0,
        "spec.decision.minimumEffect": 0,
        "spec.decision.confidence": 0.95,
        "spec.trial.power": 0.8,
        "spec.trial.intraclassCorrelation": 0,
        "spec.trial.clusterSize": 1,
        "spec.trial.clusterSizeCV": 0,
        "spec.backoffLimit": 3,
        "spec.priority": 5,
        "spec.suspend": False,
    },
    "RetrainingJob": {
        "spec.trigger.type": "Manual",
        "spec.overrideCooldown": False,
        "spec.gate.maxRegression": 0,
        "spec.cancel": False,
        "spec.backoffLimit": 2,
    },
    "WorkerPool": {
        "spec.tier": "Light",
        "spec.concurrency": 1,
        "spec.replicas": 1,
        "spec.autoscaling.minReplicas": 0,
        "spec.autoscaling.targetDrainSeconds": 30,
        "spec.autoscaling.scaleDownStabilizationSeconds": 60,
        "spec.autoscaling.pollSeconds": 2,
        "spec.terminationGracePeriodSeconds": 120,
        "status.replicas": 0,
    },
}
STATUS: Final[dict[str, object]] = {"status.observedGeneration": -1, "status.phase": "Pending"}
CASES: Final = [(kind, path, value) for kind, table in DEFAULTS.items() for path, value in {**table, **STATUS}.items()]
REQUIRED: Final = {
    "TwinModel": {"": ["data", "columns"], "data": ["uri"], "columns": ["features", "treatment", "outcome"]},
    "Simulation": {"": ["modelRef", "intervention"], "observed": ["experiment", "effect"]},
    "RetrainingJob": {"": ["modelRef"], "approval": ["approved", "by"]},
    "WorkerPool": {"": ["queues"], "autoscaling": ["maxReplicas"]},
}


def scalar_defaults(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """Collect the defaults of single fields by path."""
    own = {path: schema["default"]} if "default" in schema and schema["type"] != "object" else {}
    for name, field in schema.get("properties", {}).items():
        own |= scalar_defaults(field, f"{path}.{name}".removeprefix("."))
    return own


def at(manifest: Any, path: str) -> Any:
    for name in path.split("."):
        manifest = manifest[name]
    return manifest


@pytest.mark.parametrize("kind", DEFAULTS)
def test_a_crd_has_these_defaults_and_no_others(kind: str) -> None:
    found = scalar_defaults(ROOTS[kind], "")
    assert found == DEFAULTS[kind] | STATUS


@pytest.mark.parametrize(("kind", "path", "value"), CASES)
def test_a_model_has_the_same_default(kind: str, path: str, value: object) -> None:
    assert at(LEAST[kind].manifest(), path) == value


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind, path, _ in CASES if path.count(".") > 1], ids=lambda value: value
)
def test_a_parent_that_is_left_out_gets_its_childrens_defaults(kind: str, path: str) -> None:
    parent = ROOTS[kind]["properties"]["spec"]["properties"][path.split(".")[1]]
    optional = path.split(".")[1] not in ROOTS[kind]["properties"]["spec"]["required"]
    chosen_by_presence = path.startswith("spec.autoscaling.")
    assert ("default" in parent) == (optional and not chosen_by_presence)


@pytest.mark.parametrize("kind", ROOTS)
def test_status_is_pending_and_unobserved_from_the_start(kind: str) -> None:
    default = ROOTS[kind]["properties"]["status"]["default"]
    assert {name: default[name] for name in ("observedGeneration", "phase")} == {
        "observedGeneration": -1,
        "phase": "Pending",
    }


@pytest.mark.parametrize("kind", REQUIRED)
def test_only_what_has_no_sensible_default_is_required(kind: str) -> None:
    spec = ROOTS[kind]["properties"]["spec"]
    parts = {"": spec, **spec["properties"]}
    assert {name: parts[name]["required"] for name in REQUIRED[kind]} == REQUIRED[kind]
