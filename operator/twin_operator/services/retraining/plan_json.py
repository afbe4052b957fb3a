"""Training plans as they travel in messages and are kept beside a bank, in the terms of `RetrainingJob.status.plan`."""

from datetime import datetime

from twin_operator.domain.retraining_plan import TrainingPlan
from twin_operator.domain.schema import Algorithm
from twin_operator.services.conditions import timestamp
from twin_operator.services.tasks import JSON


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
