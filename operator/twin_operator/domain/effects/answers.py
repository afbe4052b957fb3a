"""The answer to a Simulation: the numbers of its status, named as there. Values only; absent numbers are None."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What to do next."""

    DEPLOY = "Deploy"
    SKIP = "Skip"
    REFINE = "Refine"


class Why(StrEnum):
    """The reason of a recommendation."""

    BENEFIT_LIKELY = "BenefitLikely"
    BENEFIT_UNLIKELY = "BenefitUnlikely"
    NOT_CALIBRATED = "NotCalibrated"
    INCONCLUSIVE = "Inconclusive"
    TOO_FEW_UNITS = "TooFewUnits"


@dataclass(frozen=True)
class WithinExperiment:
    """The plain interval of the data's own experiments, in outcome units."""

    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """The effect in a new experiment, in outcome units; `relative` to the baseline, only where that is positive."""

    estimate: float
    standard_error: float
    low: float
    high: float
    confidence: float
    calibrated: bool
    within_experiment: WithinExperiment
    baseline: float
    treated: float
    relative: float | None


@dataclass(frozen=True)
class Basis:
    """What grading needs of the prediction as issued: sqrt(v_IF), S, its degrees of freedom, arms' SDs, tau weights.

    `against`: the arm that it was compared with.
    """

    against: str
    sampling_sd: float
    experiment_share_squared: float
    degrees_of_freedom: float
    control_sd: float
    treated_sd: float
    weights_digest: str


@dataclass(frozen=True)
class TrialOutcome:
    """Where the effect seen in a trial of `size` units will lie."""

    low: float
    high: float


@dataclass(frozen=True)
class IncrementalOutcome:
    """The change of the outcome's total over `size` units."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class PlannedOutcome:
    """What `size` units will show."""

    trial: TrialOutcome
    incremental: IncrementalOutcome


@dataclass(frozen=True)
class PopulationSummary:
    """How many past units the answer rests on, what they are worth, and their share of the bank's weight."""

    matched: int
    effective_sample_size: float
    share: float


@dataclass(frozen=True)
class Recommendation:
    """What to do, why, one sentence for a manager, P(benefit above the minimum), and how much may differ."""

    action: Action
    reason: Why
    message: str
    probability_of_benefit: float
    tipping_point_sd: float | None


@dataclass(frozen=True)
class TrialPlan:
    """Units of the trial that would settle it; the smallest distance from the minimum that `size` units can tell."""

    per_arm: int | None
    total: int | None
    minimum_detectable_effect: float | None


@dataclass(frozen=True)
class Answer:
    """Everything that a Simulation's status says about the effect."""

    effect: Effect
    basis: Basis
    outcome: PlannedOutcome | None
    population: PopulationSummary
    recommendation: Recommendation
    trial: TrialPlan
