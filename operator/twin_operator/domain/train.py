"""From checked rows to a trained twin: the order of the steps, each of which is a module of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from twin_operator.domain.checks.all_checks import Trained, run_checks
from twin_operator.domain.effects.decision import outcomes_missing
from twin_operator.domain.effects.population import matching_rows
from twin_operator.domain.effects.simulate import effect_of
from twin_operator.domain.effects.weighted_effect import WeightedEffect, weighted_effect
from twin_operator.domain.errors import OutsideSupport
from twin_operator.domain.learning.contrasts import contrasts_of
from twin_operator.domain.learning.cross_fitting import assign_folds, fit_by_plan
from twin_operator.domain.learning.doubly_robust_scores import bank_of
from twin_operator.domain.learning.features_in_use import require_adjustment, without_features
from twin_operator.domain.learning.learners import one_thread
from twin_operator.domain.learning.old_experiments import without_old_experiments
from twin_operator.domain.learning.propensity import propensity_of
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Assignment, Learner, Uncertainty
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.twin import ArmEffect, Bank, Contrast, TauWeights, tau_weights

# Share of the time, roughly, for progress; propensities and checks take the rest.
_MODELS = 0.7


@dataclass(frozen=True)
class TrainedTwin:
    """What a training makes. `assignment_not_random` is a sentence that names features, where assignment is not.

    `plan` is the plan as it was followed: following it again on the same rows gives the same bank.
    """

    bank: Bank
    effects: tuple[ArmEffect, ...]
    metrics: Mapping[str, float]
    warnings: tuple[str, ...]
    assignment_not_random: str | None
    contrasts: tuple[Contrast, ...]
    plan: TrainingPlan


def _silent(share: float, step: str) -> None:
    """Report nothing."""


def train(
    data: ExperimentData,
    learner: Learner,
    uncertainty: Uncertainty,
    progress: Callable[[float, str], None] = _silent,
) -> TrainedTwin:
    """Learn a twin from checked rows; `progress` hears the share done and the name of the step.

    Raises `NoOverlap` for observational data whose arms went to different kinds of units, and `DataInvalid` for such
    data without a feature that has values in each arm.
    """
    return train_by_plan(data, TrainingPlan.of(learner), uncertainty, progress)


def train_by_plan(
    data: ExperimentData,
    plan: TrainingPlan,
    uncertainty: Uncertainty,
    progress: Callable[[float, str], None] = _silent,
) -> TrainedTwin:
    """Learn a twin as a plan says; raises `NoOverlap` and `DataInvalid` likewise."""
    recent = without_old_experiments(data, plan.newest_only)
    asked = replace(
        plan,
        newest_only=plan.newest_only if recent.shortened else None,
        reason=f"{plan.reason} {recent.sentence}".strip(),
    )
    with one_thread():
        return _train(recent.data, asked, uncertainty, progress)


def _train(
    data: ExperimentData, asked: TrainingPlan, uncertainty: Uncertainty, progress: Callable[[float, str], None]
) -> TrainedTwin:
    models, plan = fit_by_plan(data, asked, lambda share: progress(_MODELS * share, "Outcome models"))
    learner = plan.learner
    progress(_MODELS, "Propensities")
    require_adjustment(data, models.left_out)
    modelled = without_features(data, models.left_out)
    propensity = propensity_of(modelled, learner, assign_folds(data, learner.folds, learner.seed))
    bank = bank_of(data, models, propensity)
    contrasts = contrasts_of(bank)
    measured, unmeasured = _measured(bank, contrasts)
    progress(_MODELS, "Checks")
    findings, sentence = run_checks(Trained(data, propensity, models, bank, contrasts, measured), learner, uncertainty)
    effects = tuple(
        _effect(bank, contrast, measured[contrast.arm], uncertainty)
        for contrast in _against_control(bank, contrasts)
        if contrast.arm in measured
    )
    progress(1.0, "Done")
    return TrainedTwin(bank, effects, findings.metrics, (*findings.warnings, *unmeasured), sentence, contrasts, plan)


def _against_control(bank: Bank, contrasts: tuple[Contrast, ...]) -> list[Contrast]:
    return [contrast for contrast in contrasts if contrast.against == bank.control]


def _measured(bank: Bank, contrasts: tuple[Contrast, ...]) -> tuple[dict[str, WeightedEffect], list[str]]:
    """The effect of each arm against the control in everybody who could have had either, and why some have none."""
    measured, unmeasured = {}, []
    for contrast in _against_control(bank, contrasts):
        code = bank.arm_code(contrast.arm)
        try:
            measured[contrast.arm] = weighted_effect(bank, matching_rows(bank, (), code, 0), code, 0)
        except OutsideSupport as error:
            unmeasured.append(f'There is no average effect of "{contrast.arm}": {error}')
    return measured, unmeasured


def _effect(bank: Bank, contrast: Contrast, measured: WeightedEffect, uncertainty: Uncertainty) -> ArmEffect:
    weights = tau_weights(contrast, uncertainty.between_experiment_scale)
    effect = effect_of(bank.columns, measured, uncertainty, weights)
    interval = (effect.standard_error, effect.low, effect.high, effect.confidence)
    return ArmEffect(contrast.arm, effect.estimate, *interval, _calibrated(bank, weights))


def _calibrated(bank: Bank, weights: TauWeights) -> bool:
    randomised = bank.columns.assignment is not Assignment.OBSERVATIONAL
    return outcomes_missing(weights.experiments, weights.outcomes, randomised=randomised) == 0
