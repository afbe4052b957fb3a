"""Training plans as they travel in messages and are kept beside a bank, in the terms of `RetrainingJob.status.plan`."""

from dataclasses import asdict
from datetime import datetime

import numpy as np

from twin_operator.domain.effects.population import Clause
from twin_operator.domain.fidelity.ledger import Grade, Graded, Issued, RecordedOutcome
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.domain.twin.tau_mixture import TauWeights
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp


def plan_to_json(plan: TrainingPlan) -> JSON:
    """Return a plan as JSON; what is absent or usual is left out, so that a plan carried out fits `status.plan`."""
    usual = {
        "seeds": plan.seeds,
        "newestOnly": timestamp(plan.newest_only),
        "candidates": [algorithm.value for algorithm in plan.candidates] or None,
        "reason": plan.reason or None,
        "seedFactor": plan.seed_factor if plan.seed_factor > 1 else None,
    }
    told = {key: value for key, value in usual.items() if value is not None}
    return {"algorithm": plan.algorithm.value, "folds": plan.folds, "seed": plan.seed, **told}


def plan_from_json(value: JSON) -> TrainingPlan:
    """Read what `plan_to_json` wrote."""
    newest_only = value.get("newestOnly")
    return TrainingPlan(
        algorithm=Algorithm(value["algorithm"]),
        folds=value["folds"],
        seed=value["seed"],
        seeds=value.get("seeds"),
        newest_only=None if newest_only is None else datetime.fromisoformat(newest_only).timestamp(),
        candidates=tuple(Algorithm(each) for each in value.get("candidates") or ()),
        reason=value.get("reason", ""),
        seed_factor=value.get("seedFactor", 1),
    )


def outcome_to_json(outcome: RecordedOutcome) -> JSON:
    """Return a recorded outcome as plain JSON values, under the domain's names."""
    return {**asdict(outcome), "where": [{**asdict(clause), "values": list(clause.values)} for clause in outcome.where]}


def outcome_from_json(value: JSON) -> RecordedOutcome:
    """Read what `outcome_to_json` wrote."""
    parts = {
        "where": tuple(Clause(c["feature"], c["operator"], tuple(c["values"])) for c in value["where"]),
        "issued": Issued(**value["issued"]),
        "graded": Graded(**{**value["graded"], "grade": Grade(value["graded"]["grade"])}),
    }
    return RecordedOutcome(**{**value, **parts})


def weights_json(weights: TauWeights) -> JSON:
    """Return tau weights as they travel in a message."""
    return {
        "tau": weights.tau.tolist(),
        "weight": weights.weight.tolist(),
        "experiments": weights.experiments,
        "outcomes": weights.outcomes,
    }


def weights_from_json(value: JSON) -> TauWeights:
    """Read what `weights_json` wrote."""
    return TauWeights(
        tau=np.asarray(value["tau"]),
        weight=np.asarray(value["weight"]),
        experiments=value["experiments"],
        outcomes=value["outcomes"],
    )
