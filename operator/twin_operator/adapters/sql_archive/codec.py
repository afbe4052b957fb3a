"""Values of the domain as rows of the archive, and back. Nothing here knows a database."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from twin_operator.domain.effects.population import Clause
from twin_operator.domain.fidelity.ledger import Grade, Graded, Issued, RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import ArchivedRetraining, ArchivedSimulation, GradedSimulation

Row = dict[str, Any]


def simulation_row(simulation: ArchivedSimulation) -> Row:
    """Return the row of a finished Simulation, with the figures of its answer as columns of their own."""
    spec, answer = simulation.spec, simulation.answer
    effect, basis, population = (answer.get(part) or {} for part in ("effect", "basis", "population"))
    asked = spec.get("population") or {}
    return {
        **{name: getattr(simulation, name) for name in _SIMULATION_TEXTS},
        "queued": None if simulation.queued is None else moment(simulation.queued),
        "completed": moment(simulation.completed),
        **{column: effect.get(field) for column, field in _EFFECT.items()},
        **{column: basis.get(field) for column, field in _BASIS.items()},
        "matched": population.get("matched"),
        "population_share": population.get("share"),
        "population_size": asked.get("size"),
        "population_where": asked.get("where"),
        "seed": spec.get("seed"),
        "action": (answer.get("recommendation") or {}).get("action"),
        "spec": spec,
        "answer": answer,
    }


_SIMULATION_TEXTS = (
    "uid",
    "namespace",
    "name",
    "model",
    "registered_model",
    "model_version",
    "arm",
    "against",
    "phase",
    "reason",
    "cluster",
    "run_id",
)
_EFFECT = {
    "estimate": "estimate",
    "low": "low",
    "high": "high",
    "confidence": "confidence",
    "standard_error": "standardError",
    "calibrated": "calibrated",
}
_BASIS = {
    "sampling_sd": "samplingSD",
    "experiment_share_squared": "experimentShareSquared",
    "degrees_of_freedom": "degreesOfFreedom",
    "control_sd": "controlSD",
    "treated_sd": "treatedSD",
    "weights_digest": "weightsDigest",
}


def outcome_row(outcome: RecordedOutcome) -> Row:
    """Return the row of a graded outcome."""
    figures = {
        "population_share": outcome.population_share,
        "observed": outcome.observed,
        **{column: getattr(outcome.issued, name) for column, name in _ISSUED.items()},
        **{name: getattr(outcome.graded, name) for name in _GRADED},
    }
    return {
        **{name: getattr(outcome, name) for name in _OUTCOME_PLAIN},
        **{column: value or None for column, value in twin_columns(outcome.twin).items()},
        "population_where": clauses_json(outcome.where),
        **{column: _absent_unless_number(figure) for column, figure in figures.items()},
        "covered": outcome.graded.covered,
        "grade": outcome.graded.grade.value,
        **{name: moment(getattr(outcome, name)) for name in _OUTCOME_MOMENTS},
    }


def outcome_of(row: Mapping[str, Any]) -> RecordedOutcome:
    """Read what `outcome_row` wrote."""
    return RecordedOutcome(
        **{name: row[name] for name in _OUTCOME_PLAIN},
        where=tuple(Clause(c["feature"], c["operator"], tuple(c["values"])) for c in row["population_where"]),
        population_share=_number(row["population_share"]),
        observed=_number(row["observed"]),
        issued=Issued(**{name: _number(row[column]) for column, name in _ISSUED.items()}),
        graded=Graded(
            **{name: _number(row[name]) for name in _GRADED}, covered=row["covered"], grade=Grade(row["grade"])
        ),
        **{name: row[name].timestamp() for name in _OUTCOME_MOMENTS},
        twin=TwinKey(**{name: row[column] or "" for column, name in _TWIN.items()}),
    )


def twin_columns(twin: TwinKey) -> Row:
    """Return the columns that identify a twin."""
    return {column: getattr(twin, name) for column, name in _TWIN.items()}


def answer_key(simulation: GradedSimulation) -> tuple[str, str, int]:
    """Return what identifies an answer within a cluster, whatever the uid of its object is now."""
    return simulation.twin.namespace, simulation.name, int(simulation.completed)


def answer_of(row: Mapping[str, Any]) -> tuple[str, str, int]:
    """Return what identifies the answer of an outcome's row within its cluster."""
    return row["namespace"], row["name"], int(row["predicted_at"].timestamp())


_OUTCOME_PLAIN = (
    "simulation",
    "name",
    "registered_model",
    "model_version",
    "experiment",
    "arm",
    "against",
    "hindsight",
    "run_id",
)
_TWIN = {"cluster": "cluster", "namespace": "namespace", "model": "name"}
_OUTCOME_MOMENTS = ("predicted_at", "time", "recorded")
_ISSUED = {
    "estimate": "estimate",
    "standard_error": "standard_error",
    "sampling_sd": "sampling_sd",
    "experiment_share_squared": "share_squared",
    "degrees_of_freedom": "degrees",
    "control_sd": "control_sd",
    "treated_sd": "treated_sd",
}
_GRADED = ("observed_sd", "absolute_error", "relative_error", "standardized_error")


def weights_row(digest: str, weights: TauWeights) -> Row:
    """Return the row of tau weights; as JSON numbers they are read back to the last bit."""
    vectors = {"tau": weights.tau.tolist(), "weight": weights.weight.tolist()}
    return {"digest": digest, **vectors, "experiments": weights.experiments, "outcomes": weights.outcomes}


def weights_of(row: Mapping[str, Any]) -> TauWeights:
    """Read what `weights_row` wrote."""
    tau, weight = (np.asarray(row[name], dtype=np.float64) for name in ("tau", "weight"))
    return TauWeights(tau, weight, row["experiments"], row["outcomes"])


def retraining_row(job: ArchivedRetraining) -> Row:
    """Return the row of a RetrainingJob that ended."""
    candidate, champion = (job.status.get(part) or {} for part in ("candidate", "champion"))
    return {
        **{name: getattr(job, name) for name in _RETRAINING_PLAIN},
        "approved_by": job.status.get("approvedBy"),
        "candidate_version": candidate.get("version"),
        "champion_version": champion.get("version"),
        "completed": moment(job.completed),
        "status": job.status,
    }


_RETRAINING_PLAIN = (
    "uid",
    "namespace",
    "name",
    "model",
    "registered_model",
    "trigger",
    "phase",
    "reason",
    "message",
    "promoted",
    "cluster",
)


def clauses_json(where: Sequence[Clause]) -> list[Row]:
    """Return clauses in the words of `spec.population.where`."""
    return [{"feature": c.feature, "operator": c.operator, "values": list(c.values)} for c in where]


def moment(seconds: float) -> datetime:
    """Return seconds since the epoch as a moment, to the microsecond."""
    return datetime.fromtimestamp(seconds, UTC)


def _absent_unless_number(figure: float) -> float | None:
    return None if math.isnan(figure) else figure


def _number(figure: float | None) -> float:
    return math.nan if figure is None else figure
