"""The answer to a Simulation: the numbers of its status, named as there, and what a recommendation rests on.

Values only; absent numbers are None. What follows from them is in `decision`.
"""

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
    # Gates, the first that applies is the reason.
    ASSIGNMENT_NOT_RANDOM = "AssignmentNotRandom"
    TWIN_NOT_FAITHFUL = "TwinNotFaithful"


class GateType(StrEnum):
    """What training can find that forbids Deploy."""

    ASSIGNMENT_NOT_RANDOM = "AssignmentNotRandom"


@dataclass(frozen=True)
class Gate:
    """What training found against one comparison of two arms, in either direction, or (without arms) against each."""

    type: GateType
    message: str
    arm: str | None = None
    against: str | None = None

    def concerns(self, arm: str, against: str) -> bool:
        """Whether it is about this comparison."""
        return self.arm is None or {self.arm, self.against} == {arm, against}


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
    """Units of the trial that would settle it; the smallest distance from the minimum that `size` units can detect."""

    per_arm: int | None
    total: int | None
    minimum_detectable_effect: float | None


@dataclass(frozen=True)
class ArmSupport:
    """One arm's own units: Kish's effective sample size, and the units with outcome 1 and 0 of a Binary outcome."""

    effective_rows: float
    events: int
    others: int


@dataclass(frozen=True)
class Evidence:
    """The numbers that a recommendation rests on, besides those of the effect, the population and the trial.

    `probability_of_benefit`: of an effect above the minimum in a new experiment; `probability_in_own_experiments`:
    likewise from sampling alone; `experiments`: J; `outcomes`: K; `largest_share`: of one row in the weight;
    `outcome`: its name, with whether it is `binary`; `randomised`: whether arms were assigned at random;
    `accept_prior`: of the TwinModel's uncertainty; `tipping_point_sd`: see `Recommendation`.
    """

    probability_of_benefit: float
    probability_in_own_experiments: float
    experiments: int
    outcomes: int
    treated_arm: ArmSupport
    control_arm: ArmSupport
    largest_share: float
    outcome: str
    binary: bool
    randomised: bool
    accept_prior: bool
    tipping_point_sd: float | None = None


@dataclass(frozen=True)
class Answer:
    """The numbers of an answer: what a worker computes."""

    effect: Effect
    basis: Basis
    outcome: PlannedOutcome | None
    population: PopulationSummary
    trial: TrialPlan
    evidence: Evidence
