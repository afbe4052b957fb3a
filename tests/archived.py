"""What an archive keeps, made up for tests: the number distinguishes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin_operator.domain.effects.population import Clause
from twin_operator.domain.fidelity.ledger import Grade, Graded, Issued, RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import ArchivedRetraining, ArchivedSimulation

TWIN = TwinKey("cluster-1", "marketing", "hillstrom")
RUN = "4f1d"  # the MLflow run of the version
START = 1_772_000_000.25  # seconds since the epoch: 25 February 2026
WHERE = [{"feature": "recency", "operator": "LessThanOrEqual", "values": ["6"]}]
ANSWER: dict[str, Any] = {
    "effect": {
        "estimate": 0.0736133,
        "standardError": 0.1,
        "low": -0.111291,
        "high": 0.572631,
        "confidence": 0.95,
        "calibrated": False,
        "relative": 1e-300,
    },
    "basis": {
        "samplingSD": 0.00345678,
        "experimentShareSquared": 1.0,
        "controlSD": 0.3,
        "treatedSD": 0.35,
        "degreesOfFreedom": 42611.0,
        "weightsDigest": "0a1b",
    },
    "population": {"matched": 35_182, "effectiveSampleSize": 35_182.0, "share": 0.549719},
    "recommendation": {"action": "Refine", "reason": "NotCalibrated", "message": "Refine: “€” and \0, as it was said."},
    "trial": {"perArm": 374, "total": 748},
}


def simulation(number: int = 0, **changes: Any) -> ArchivedSimulation:
    """A Simulation that succeeded."""
    fields: dict[str, Any] = {
        "uid": f"uid-{number}",
        "namespace": "marketing",
        "name": f"question-{number}",
        "model": "hillstrom",
        "registered_model": "marketing.hillstrom",
        "model_version": "3",
        "arm": "Womens E-Mail",
        "against": None,
        "phase": "Succeeded",
        "reason": "Succeeded",
        "queued": START + number,
        "completed": START + number + 0.5,
        "spec": {"population": {"size": 20_000, "where": WHERE}, "seed": 7},
        "answer": ANSWER,
        "cluster": TWIN.cluster,
        "run_id": RUN,
    }
    return ArchivedSimulation(**{**fields, **changes})


def failed(number: int) -> ArchivedSimulation:
    """A Simulation that failed before a model was known."""
    unknown = {"registered_model": None, "model_version": None, "queued": None, "run_id": None}
    return simulation(number, phase="Failed", reason="ModelNotFound", spec={}, answer={}, **unknown)


def outcome(number: int = 0, **changes: Any) -> RecordedOutcome:
    """The outcome of the Simulation of this number."""
    fields: dict[str, Any] = {
        "simulation": f"uid-{number}",
        "name": f"question-{number}",
        "registered_model": "marketing.hillstrom",
        "model_version": "3",
        "experiment": f"spring-{number}",
        "arm": "Womens E-Mail",
        "against": "No E-Mail",
        "where": (Clause("recency", "LessThanOrEqual", ("6",)),),
        "population_share": 0.549719,
        "issued": Issued(0.0736133, 0.1, 0.1 + 0.2, 1.0, 42_611.0, 0.3, 1 / 3),
        "observed": 0.071,
        "graded": Graded(0.003, 0.0026133, 0.0, -0.0261, covered=True, grade=Grade.EXCELLENT),
        "hindsight": False,
        "predicted_at": START,
        "time": START + 86_400 * (number + 1),
        "recorded": START + 86_400 * (number + 1) + 0.000001,
        "twin": TWIN,
        "run_id": RUN,
    }
    return RecordedOutcome(**{**fields, **changes})


def weights(seed: int = 0) -> TauWeights:
    """A mixture with weights of every size."""
    weight = np.random.default_rng(seed).lognormal(sigma=40, size=121)
    return TauWeights(np.append(0.0, np.geomspace(1e-3, 2, 120)) / 3, weight / weight.sum(), 5, seed)


def retraining(number: int = 0, **changes: Any) -> ArchivedRetraining:
    """A retraining whose candidate serves."""
    fields: dict[str, Any] = {
        "uid": f"job-{number}",
        "namespace": "marketing",
        "name": f"hillstrom-{number}",
        "model": "hillstrom",
        "registered_model": "marketing.hillstrom",
        "trigger": "FidelityDegraded",
        "phase": "Completed",
        "reason": "GatePassed",
        "message": "Version 4 predicts better than 3.",
        "promoted": True,
        "completed": START + number,
        "status": {
            "candidate": {"version": "4", "loss": 0.4},
            "champion": {"version": "3", "loss": 0.5},
            "gate": {"passed": True},
            "approvedBy": "policy",
        },
        "cluster": TWIN.cluster,
    }
    return ArchivedRetraining(**{**fields, **changes})
