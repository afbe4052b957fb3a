"""What the operator reports about a Simulation: the answer, what it rests on, and its grade."""

from typing import Annotated

from pydantic import Field

from twin_operator.api.v1alpha1.conditions import (
    Conditions,
    SimulationPhase,
    Word,
)
from twin_operator.api.v1alpha1.fields import (
    ColumnName,
    Figure,
    ModelVersion,
    Probability,
    RegisteredModelName,
    Sentence,
    ShownIdentifier,
    ShownLabel,
    Spread,
    Tally,
    Timestamp,
    TraceId,
)
from twin_operator.api.v1alpha1.resource import Status
from twin_operator.api.v1alpha1.schema import LIST_ATOMIC, ApiModel, list_map
from twin_operator.domain.effects.answers import Action, Why
from twin_operator.domain.fidelity.ledger import Grade, NotCounted

SUBGROUPS_LIMIT = 64
WARNINGS_LIMIT = 8


class WithinExperiment(ApiModel):
    """The interval if the next experiment were one of the past ones again."""

    standard_error: Spread = Field(default=None, description="Standard error from sampling alone.")
    low: Figure = Field(default=None, description="Lower end of the interval.")
    high: Figure = Field(default=None, description="Upper end of the interval.")


class PredictedEffect(ApiModel):
    """The effect to be expected in a new experiment on this population."""

    estimate: Figure = Field(default=None, description="treated less baseline, in the outcome's units.")
    standard_error: Spread = Field(default=None, description="Half the interval's width in normal quantiles.")
    low: Figure = Field(default=None, description="Lower end of the interval for a new experiment.")
    high: Figure = Field(default=None, description="Upper end of the interval for a new experiment.")
    confidence: Probability = Field(
        default=None, description="Probability that the interval holds a new experiment's effect."
    )
    calibrated: bool | None = Field(
        default=None,
        description="Whether enough experiments were seen to know how much effects differ, and no check speaks "
        "against the twin; otherwise the prior gives the width.",
    )
    within_experiment: WithinExperiment | None = Field(
        default=None, description="The narrower interval of the past experiments themselves, from sampling alone."
    )
    baseline: Figure = Field(default=None, description="Mean outcome under against.")
    treated: Figure = Field(default=None, description="Mean outcome under arm.")
    relative: Figure = Field(default=None, description="estimate / baseline, where baseline is above 0.")


class PredictionBasis(ApiModel):
    """What grading needs to know of the prediction as it was issued."""

    against: ShownLabel | None = Field(
        default=None, description="The arm compared with: the model's control where spec does not name one."
    )
    sampling_sd: Spread = Field(default=None, description="Standard error of the estimate from sampling alone.")
    experiment_share_squared: Probability = Field(
        default=None, description="Sum of the squared weight shares of past experiments: 1 when all weight is on one."
    )
    control_sd: Spread = Field(default=None, description="Standard deviation of the outcome under against.")
    treated_sd: Spread = Field(default=None, description="Standard deviation of the outcome under arm.")
    degrees_of_freedom: Spread = Field(
        default=None, description="Randomised units less two: how well the standard error itself is known."
    )
    weights_digest: ShownIdentifier | None = Field(
        default=None, description="Digest of the weights on how much experiments differ; the archive keeps them."
    )


class TrialOutcome(ApiModel):
    """The effect that a trial would show."""

    low: Figure = Field(default=None, description="Lower end of the interval.")
    high: Figure = Field(default=None, description="Upper end of the interval.")


class IncrementalOutcome(ApiModel):
    """The sum over a whole roll-out, against leaving those units alone."""

    expected: Figure = Field(default=None, description="Expected total, in the outcome's units.")
    low: Figure = Field(default=None, description="Lower end of its interval.")
    high: Figure = Field(default=None, description="Upper end of its interval.")


class PredictedOutcome(ApiModel):
    """What population.size units would show."""

    trial: TrialOutcome | None = Field(
        default=None, description="Effect seen in a trial of that many units in equal arms."
    )
    incremental: IncrementalOutcome | None = Field(
        default=None, description="Additional outcome when all of them are treated: visits, units sold and so on."
    )


class MatchedPopulation(ApiModel):
    """The rows of the model's data that the answer rests on."""

    matched: Tally = Field(default=None, description="Rows that met where.")
    effective_sample_size: Spread = Field(
        default=None, description="Number of equally weighted rows with the same information."
    )
    share: Probability = Field(default=None, description="Share of the model's data that met where.")


class SubgroupEffect(ApiModel):
    """The effect in one level of one feature."""

    feature: ColumnName = Field(description="The feature.")
    level: ShownLabel = Field(description="Its level, or a quartile of a numeric feature.")
    share: Probability = Field(default=None, description="Its share of the population.")
    estimate: Figure = Field(default=None, description="Effect in it.")
    low: Figure = Field(
        default=None, description="Lower end; intervals of all levels hold together. Absent: too few units."
    )
    high: Figure = Field(
        default=None, description="Upper end; intervals of all levels hold together. Absent: too few units."
    )
    shrunken: Figure = Field(
        default=None, description="Effect drawn towards the overall effect: the best single guess."
    )


class Heterogeneity(ApiModel):
    """Whether the effect differs between the levels of a feature."""

    feature: ColumnName = Field(description="The feature.")
    p_value: Probability = Field(default=None, description="Chance of differences this large if there were none.")


class Recommendation(ApiModel):
    """What to do, and why."""

    action: Action = Field(description="Deploy, Skip, or Refine: run the trial that would settle it.")
    reason: Why = Field(
        description="BenefitLikely, BenefitUnlikely, NotCalibrated, Inconclusive, TooFewUnits, or what forbids Deploy: "
        "AssignmentNotRandom or TwinNotFaithful."
    )
    message: Sentence = Field(description="The recommendation in one sentence, with its rule and the next step.")
    probability_of_benefit: Probability = Field(
        default=None, description="Probability of an effect above decision.minimumEffect in a new experiment."
    )
    tipping_point_sd: Spread = Field(
        default=None,
        description="How much effects may differ between experiments, as a standard deviation in the outcome's "
        "units, before Deploy is no longer right. Absent where the estimate is not above minimumEffect, or where "
        "it is more than 1e15.",
    )


class SimulatedTrial(ApiModel):
    """How the trial of trial.unitsPerArm would go."""

    power: Probability = Field(
        default=None, description="Probability of Deploy where the effect is above minimumEffect."
    )
    assurance: Probability = Field(
        default=None, description="Probability of Deploy, over all effects that are believable now."
    )
    right_decision: Probability = Field(default=None, description="Probability that Deploy, or not, is right.")
    low: Figure = Field(default=None, description="Lower quantile of the effect that the trial would estimate.")
    median: Figure = Field(default=None, description="Median of the effect that the trial would estimate.")
    high: Figure = Field(default=None, description="Upper quantile of the effect that the trial would estimate.")


class NextTrial(ApiModel):
    """The trial that would settle the decision."""

    per_arm: Tally = Field(default=None, description="Units needed in each arm.")
    total: Tally = Field(default=None, description="Units needed in both arms.")
    minimum_detectable_effect: Spread = Field(
        default=None, description="Smallest distance from minimumEffect that population.size units can detect."
    )
    simulated: SimulatedTrial | None = Field(default=None, description="How the trial of trial.unitsPerArm would go.")


class PredictionFidelity(ApiModel):
    """The grade of the prediction, once spec.observed has the outcome."""

    grade: Grade | None = Field(default=None, description="Excellent, Good, Fair or Poor, by relativeError.")
    absolute_error: Spread = Field(default=None, description="Distance of the observed from the predicted effect.")
    relative_error: Spread = Field(
        default=None, description="That distance beyond the outcome's own noise, relative to the effect."
    )
    standardized_error: Figure = Field(
        default=None, description="Observed less predicted, in standard deviations of both their errors."
    )
    covered: bool | None = Field(default=None, description="Whether the outcome lay in the predicted interval.")
    hindsight: bool | None = Field(
        default=None, description="True when the outcome was known before the prediction: it does not count."
    )
    not_counted_reason: NotCounted | None = Field(
        default=None,
        description="Why the outcome did not count towards the fidelity of the TwinModel when graded: Hindsight, "
        "OtherVersion, InTrainingData, NotWidest or SameExperiment. Absent where it counted.",
    )
    not_counted_message: Sentence | None = Field(default=None, description="The same in a sentence.")
    recorded_time: Timestamp | None = Field(default=None, description="When the outcome was graded and recorded.")


class AnswerWarning(ApiModel):
    """What is known against the answer."""

    type: Word = Field(description="A condition of the TwinModel, or the reason of Trustworthy.")
    message: Sentence = Field(description="What was found.")


class SimulationAnswer(ApiModel):
    """The answer."""

    effect: PredictedEffect | None = Field(default=None, description="The effect to be expected in a new experiment.")
    basis: PredictionBasis | None = Field(default=None, description="What grading needs of the prediction as issued.")
    outcome: PredictedOutcome | None = Field(default=None, description="What population.size units would show.")
    population: MatchedPopulation | None = Field(default=None, description="The rows that the answer rests on.")
    subgroups: Annotated[
        tuple[SubgroupEffect, ...], Field(max_length=SUBGROUPS_LIMIT, json_schema_extra=list_map("feature", "level"))
    ] = Field(default=(), description="The effect by level of the features in spec.subgroups.")
    heterogeneity: Annotated[
        tuple[Heterogeneity, ...], Field(max_length=SUBGROUPS_LIMIT, json_schema_extra=list_map("feature"))
    ] = Field(default=(), description="Whether effects differ between levels, by feature.")
    recommendation: Recommendation | None = Field(default=None, description="What to do, and why.")
    trial: NextTrial | None = Field(default=None, description="The trial that would settle the decision.")


class SimulationStatus(Status, SimulationAnswer):
    """The answer. Written by the operator alone."""

    warnings: Annotated[tuple[AnswerWarning, ...], Field(max_length=WARNINGS_LIMIT, json_schema_extra=LIST_ATOMIC)] = (
        Field(default=(), description="What the checks of the version and the outcomes of the twin say against it.")
    )
    phase: SimulationPhase = Field(
        default=SimulationPhase.PENDING,
        description="Summary for printing: Pending, Queued, Running, Succeeded, Failed or Suspended. Conditions "
        "are the truth.",
    )
    conditions: Conditions = Field(
        default=(),
        description="Ready (done well), and Reconciling or Stalled while true; of an answer Trustworthy: False where a "
        "check forbids Deploy.",
    )
    model_version: ModelVersion | None = Field(
        default=None, description="Version that answers, bound when it was queued."
    )
    model_run_id: ShownIdentifier | None = Field(
        default=None, description="MLflow run that made that version: its number can be given out again."
    )
    registered_model: RegisteredModelName | None = Field(default=None, description="Registered model of that version.")
    trace_id: TraceId | None = Field(
        default=None,
        description="Trace that log lines and spans of its run belong to: that of annotation twinops.dev/traceparent, "
        "or its own.",
    )
    attempts: Tally = Field(default=None, description="How often a worker began it.")
    cached: bool | None = Field(default=None, description="Whether an equal question had been answered before.")
    worker: ShownIdentifier | None = Field(default=None, description="Worker that answered it.")
    queued_time: Timestamp | None = Field(default=None, description="When it was put on its queue.")
    start_time: Timestamp | None = Field(default=None, description="When a worker began it.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended, well or not.")
    fidelity: PredictionFidelity | None = Field(
        default=None, description="How right the prediction was, once that is known."
    )
