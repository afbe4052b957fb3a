"""How a RetrainingJob's candidate is to be trained: the domain's plan, asked with what the objects say."""

from twin_operator.domain.learning.training_plan import LearnerOverrides, PlanHealth, TrainingPlan, plan_for
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.outcomes.health import Health
from twin_operator.services.retraining.policy import RetrainingPolicy
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.twin_spec import learner_of


def training_plan(body: JSON, model: JSON, health: Health | None, now: float) -> TrainingPlan:
    """Return the plan of a job's training; `now` in seconds since the epoch."""
    spec, policy = model["spec"], RetrainingPolicy.of(model["spec"])
    summary = None if health is None else health.summary
    return plan_for(
        body["spec"]["trigger"]["type"],
        learner_of(spec),
        _overrides(body["spec"].get("learner") or {}),
        PlanHealth(
            score=None if summary is None else summary.score,
            auto_approve_below=policy.auto_approve_below,
            trend_p=None if health is None else health.trend_p,
        ),
        now,
        policy.max_data_age,
        dated=bool(spec["columns"].get("time") and spec["columns"].get("experiment")),
    )


def _overrides(wishes: JSON) -> LearnerOverrides:
    algorithm = wishes.get("algorithm")
    return LearnerOverrides(
        algorithm=None if algorithm is None else Algorithm(algorithm),
        folds=wishes.get("folds"),
        seed=wishes.get("seed"),
    )
