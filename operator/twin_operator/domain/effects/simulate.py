"""What would this intervention do to this population? One reduction over the bank, then closed forms.

The order of the steps belongs here; each step is a module of its own. Numbers only: `decision` says what to do.
"""

import math
from dataclasses import dataclass

from twin_operator.domain.effects.answers import (
    Answer,
    ArmSupport,
    Basis,
    Effect,
    Evidence,
    IncrementalOutcome,
    PlannedOutcome,
    PopulationSummary,
    TrialOutcome,
    WithinExperiment,
)
from twin_operator.domain.effects.population import Clause, matching_rows
from twin_operator.domain.effects.predictive import Predictive, one_sided, predictive_of, two_sided, within_experiment
from twin_operator.domain.effects.trial_size import TrialDesign, trial_plan
from twin_operator.domain.effects.weighted_effect import ArmSummary, WeightedEffect, weighted_effect
from twin_operator.domain.errors import UnknownArm
from twin_operator.domain.table.columns import Assignment, Columns, Uncertainty
from twin_operator.domain.twin import Bank, TauWeights

__all__ = ["Answer", "Clause", "Question", "effect_of", "simulate"]


@dataclass(frozen=True)
class Question:
    """A Simulation's spec; `against` None is the control, `confidence` is the decision's, one-sided.

    `minimum_effect` is in outcome units in the better direction. `seed` has no part in what is closed form.
    """

    arm: str
    against: str | None = None
    where: tuple[Clause, ...] = ()
    size: int | None = None
    minimum_effect: float = 0.0
    confidence: float = 0.95
    power: float = 0.8
    intraclass_correlation: float = 0.0
    cluster_size: float = 1.0
    cluster_size_cv: float = 0.0
    seed: int = 0

    @property
    def design(self) -> TrialDesign:
        """The trial that would be run next."""
        clusters = (self.intraclass_correlation, self.cluster_size, self.cluster_size_cv)
        return TrialDesign(self.confidence, self.power, *clusters)


def simulate(bank: Bank, question: Question, uncertainty: Uncertainty, weights: TauWeights) -> Answer:
    """Answer a question from a bank, with the tau weights of its contrast.

    Raises `UnknownArm`, `ArmsNotCompared`, `UnknownFeature`, `UnknownLevel`, `EmptyPopulation` or `OutsideSupport`.
    """
    arm, against = _arms(bank, question)
    measured = weighted_effect(bank, matching_rows(bank, question.where, arm, against), arm, against)
    distance = bank.columns.better.sign * measured.estimate - question.minimum_effect
    return Answer(
        effect=effect_of(bank.columns, measured, uncertainty, weights),
        basis=_basis(measured, weights, bank.arms[against]),
        outcome=_planned_outcome(bank.columns, measured, uncertainty, weights, question.size),
        population=PopulationSummary(measured.matched, measured.effective_rows, measured.weight_share),
        trial=trial_plan(measured, abs(distance), question.design, question.size),
        evidence=_evidence(bank, measured, uncertainty, weights, distance, question.confidence),
    )


def _arms(bank: Bank, question: Question) -> tuple[int, int]:
    arm = bank.arm_code(question.arm)
    against = bank.arm_code(bank.control if question.against is None else question.against)
    if arm == against:
        raise UnknownArm(f'Arm "{question.arm}" cannot be compared with itself: name another arm in `against`.')
    return arm, against


def effect_of(columns: Columns, measured: WeightedEffect, uncertainty: Uncertainty, weights: TauWeights) -> Effect:
    """The effect in a new experiment, with the interval of the mixture."""
    confidence = uncertainty.confidence
    bounds = _bounds(columns, measured.baseline)
    low, high = _clipped(predictive_of(measured, weights).interval(confidence), bounds)
    own = _clipped(within_experiment(measured).interval(confidence), bounds)
    return Effect(
        estimate=measured.estimate,
        standard_error=(high - low) / (2 * two_sided(confidence)),
        low=low,
        high=high,
        confidence=confidence,
        within_experiment=WithinExperiment(math.sqrt(measured.variance), *own),
        baseline=measured.baseline,
        treated=measured.treated,
        relative=measured.estimate / measured.baseline if measured.baseline > 0 else None,
    )


def _bounds(columns: Columns, baseline: float) -> tuple[float, float]:
    """Where an effect can lie: an event's probability stays between 0 and 1."""
    if not columns.binary:
        return -math.inf, math.inf
    share = min(max(baseline, 0.0), 1.0)
    return -share, 1 - share


def _clipped(interval: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = (min(max(value, bounds[0]), bounds[1]) for value in interval)
    return low, high


def _basis(measured: WeightedEffect, weights: TauWeights, against: str) -> Basis:
    return Basis(
        against=against,
        sampling_sd=math.sqrt(measured.variance),
        experiment_share_squared=measured.share_squared,
        degrees_of_freedom=measured.degrees,
        control_sd=measured.control_arm.sd,
        treated_sd=measured.treated_arm.sd,
        weights_digest=weights.digest,
    )


def _planned_outcome(
    columns: Columns, measured: WeightedEffect, uncertainty: Uncertainty, weights: TauWeights, size: int | None
) -> PlannedOutcome | None:
    """What `size` units will show: in a trial of equal arms, and as a total against as many untreated units."""
    if size is None:
        return None
    noise = measured.treated_arm.sd**2 + measured.control_arm.sd**2
    # A difference of two shares lies between -1 and 1, whatever the baseline of the trial turns out to be.
    widest = (-1.0, 1.0) if columns.binary else (-math.inf, math.inf)
    trial = predictive_of(measured, weights, extra=2 * noise / size).interval(uncertainty.confidence)
    total = predictive_of(measured, weights, extra=noise / size, factor=size).interval(uncertainty.confidence)
    clipped_total = _clipped(total, (widest[0] * size, widest[1] * size))
    return PlannedOutcome(
        TrialOutcome(*_clipped(trial, widest)), IncrementalOutcome(size * measured.estimate, *clipped_total)
    )


def _evidence(
    bank: Bank,
    measured: WeightedEffect,
    uncertainty: Uncertainty,
    weights: TauWeights,
    distance: float,
    confidence: float,
) -> Evidence:
    """What a decision rests on; `distance`: how far the estimate is beyond the minimum, in the better direction."""
    columns = bank.columns
    return Evidence(
        probability_of_benefit=_beyond(predictive_of(measured, weights), distance),
        probability_in_own_experiments=_beyond(within_experiment(measured), distance),
        experiments=weights.experiments,
        outcomes=weights.outcomes,
        treated_arm=_support(measured.treated_arm),
        control_arm=_support(measured.control_arm),
        largest_share=measured.largest_share,
        outcome=columns.outcome,
        binary=columns.binary,
        randomised=columns.assignment is not Assignment.OBSERVATIONAL,
        accept_prior=uncertainty.accept_prior,
        tipping_point_sd=tipping_point(measured, distance, confidence),
    )


def _beyond(distribution: Predictive, distance: float) -> float:
    """P(d X > m): the distribution is symmetric, so it is that of the distribution mirrored for `Lower`."""
    return distribution.above(distribution.centre - distance)


def _support(arm: ArmSummary) -> ArmSupport:
    return ArmSupport(arm.effective_rows, arm.events, arm.others)


def tipping_point(effect: WeightedEffect, distance: float, confidence: float) -> float | None:
    """The SD between experiments at which P(benefit) falls to the confidence; None unless the estimate is beyond."""
    quantile = one_sided(confidence)
    if distance <= 0 or quantile <= 0:
        return None
    room = (distance / quantile) ** 2 - effect.variance
    return math.sqrt(max(0.0, room) / (1 + effect.share_squared))
