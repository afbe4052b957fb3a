"""Which algorithm a plan comes down to: the one with the lowest out-of-fold loss on the same folds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from twin_operator.domain.learning.cross_fitting import OutcomeModels, cross_fit, usual_seeds
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.table.folds import HELD_OUT


def fit_by_plan(
    data: ExperimentData, plan: TrainingPlan, progress: Callable[[float], None]
) -> tuple[OutcomeModels, TrainingPlan]:
    """The chosen models, and the plan as it was carried out: nothing is left to choose in it."""
    seeds = plan.seed_count(usual_seeds(data.rows))
    algorithms = plan.candidates or (plan.algorithm,)
    settled = [replace(plan, algorithm=each, seeds=seeds, seed_factor=1, candidates=()) for each in algorithms]
    fitted = []
    for number, each in enumerate(settled):
        share = _part(progress, number, len(settled))
        fitted.append((cross_fit(data, each.learner, share, seeds), each))
    models, chosen = min(fitted, key=lambda pair: loss_in_use(data, pair[0]))
    if plan.candidates:
        chosen = replace(chosen, reason=f"{plan.reason} {chosen.algorithm} had the lowest loss.".strip())
    return models, chosen


def loss_in_use(data: ExperimentData, models: OutcomeModels) -> float:
    """Mean out-of-fold loss over rows of all arms, each by what the twin uses: its model, or its mean where better."""
    rows = np.bincount(data.arm[models.fold != HELD_OUT], minlength=len(data.arms))
    used = np.where(models.learned, models.loss, models.mean_loss)
    return float(rows @ used / rows.sum())


def _part(progress: Callable[[float], None], number: int, of: int) -> Callable[[float], None]:
    return lambda share: progress((number + share) / of)
