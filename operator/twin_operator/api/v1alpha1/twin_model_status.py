"""What the operator reports about a TwinModel: the serving model, its effects and its fidelity."""

from typing import Annotated

from pydantic import Field

from twin_operator.api.v1alpha1.conditions import Conditions, TwinModelPhase
from twin_operator.api.v1alpha1.fields import (
    Figure,
    Figures,
    ModelVersion,
    ObjectName,
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
from twin_operator.domain.effects.answers import GateType
from twin_operator.domain.fidelity.ledger import Grade
from twin_operator.domain.table.columns import Algorithm

EFFECTS_LIMIT = 32
"""Arms besides the control; a column with more values is hardly a treatment."""
EXPERIMENTS_LIMIT = 1000
"""Names in status; the bank may hold more."""
RECENT_LIMIT = 50
GATES_LIMIT = 64
"""Findings by comparison of arms; where there are more, one stands for all comparisons."""


class ModelGate(ApiModel):
    """A finding of the training that turns Deploy into Refine."""

    type: GateType = Field(description="What was found: AssignmentNotRandom.")
    arm: ShownLabel | None = Field(default=None, description="The arm that it concerns; absent: every comparison.")
    against: ShownLabel | None = Field(default=None, description="The arm that it is compared with.")
    message: Sentence = Field(description="What was found, and what to do.")


class ServingModel(ApiModel):
    """The version that answers Simulations now."""

    version: ModelVersion = Field(description="Version in the registry.")
    run_id: ShownIdentifier | None = Field(default=None, description="MLflow run that made it.")
    data_digest: ShownIdentifier | None = Field(default=None, description="SHA-256 of the bytes it was trained from.")
    spec_digest: ShownIdentifier | None = Field(
        default=None, description="Digest of the parts of spec it was trained by: columns, data and learner."
    )
    trained_time: Timestamp | None = Field(default=None, description="When its training ended.")
    samples: Tally = Field(default=None, description="Rows in its bank.")
    arms: Annotated[tuple[ShownLabel, ...], Field(max_length=EFFECTS_LIMIT + 1, json_schema_extra=LIST_ATOMIC)] = Field(
        default=(), description="Arms a Simulation can ask for, the control first; omitted says where there are more."
    )
    experiments: Annotated[
        tuple[ShownLabel, ...], Field(max_length=EXPERIMENTS_LIMIT, json_schema_extra=LIST_ATOMIC)
    ] = Field(default=(), description="Past experiments among its rows.")
    algorithm: Algorithm | None = Field(default=None, description="Learner it was really fitted with.")
    gates: Annotated[tuple[ModelGate, ...], Field(max_length=GATES_LIMIT, json_schema_extra=LIST_ATOMIC)] = Field(
        default=(), description="Findings of the training that turn Deploy into Refine, by comparison of arms."
    )
    metrics: Figures = Field(default_factory=dict, description="Checks and losses from training, out of fold, by name.")
    omitted: Sentence | None = Field(
        default=None, description="What this status leaves out of the version, as it has no room for it."
    )


class ArmEffect(ApiModel):
    """The average effect of one arm against the control, over all rows."""

    arm: ShownLabel = Field(description="The arm.")
    estimate: Figure = Field(default=None, description="Mean outcome under the arm less that under the control.")
    standard_error: Spread = Field(default=None, description="Half the interval's width in normal quantiles.")
    low: Figure = Field(default=None, description="Lower end of the interval for a new experiment.")
    high: Figure = Field(default=None, description="Upper end of the interval for a new experiment.")
    confidence: Probability = Field(
        default=None, description="Probability that the interval holds a new experiment's effect."
    )
    calibrated: bool | None = Field(
        default=None,
        description="Whether enough experiments were seen to know how much effects differ; otherwise the prior "
        "gives the width.",
    )


class ValidatedPrediction(ApiModel):
    """One prediction that was followed by an outcome."""

    simulation: ObjectName = Field(description="The Simulation that predicted.")
    model_version: ModelVersion | None = Field(default=None, description="Version that answered it.")
    predicted: Figure = Field(default=None, description="Effect as predicted, before it was known.")
    observed: Figure = Field(default=None, description="Effect as observed.")
    standardized_error: Figure = Field(
        default=None, description="Observed less predicted, in standard deviations of both their errors."
    )
    covered: bool | None = Field(default=None, description="Whether the outcome lay in the predicted interval.")
    time: Timestamp | None = Field(default=None, description="When the outcome became known.")


class TwinFidelity(ApiModel):
    """How right the serving version has been, over the window of newest outcomes."""

    score: Probability = Field(
        default=None, description="0 to 1: seven parts small error, three parts honest intervals."
    )
    grade: Grade | None = Field(default=None, description="Excellent, Good, Fair or Poor, by meanRelativeError.")
    validations: Tally = Field(default=None, description="Outcomes in the window.")
    mean_relative_error: Spread = Field(
        default=None, description="Relative error of predictions, beyond what the outcomes' own noise explains."
    )
    coverage: Probability = Field(default=None, description="Share of outcomes inside their predicted intervals.")
    bias: Figure = Field(default=None, description="Mean of observed less predicted effects.")
    between_experiment_sd: Spread = Field(
        default=None, description="How much true effects differ between experiments, a median, in the outcome's units."
    )
    last_validated_time: Timestamp | None = Field(default=None, description="When the newest outcome was graded.")
    recent: Annotated[
        tuple[ValidatedPrediction, ...], Field(max_length=RECENT_LIMIT, json_schema_extra=LIST_ATOMIC)
    ] = Field(default=(), description="The outcomes in the window, newest first.")


class DataState(ApiModel):
    """What the last check of spec.data found; written when it changes."""

    spec_digest: ShownIdentifier | None = Field(
        default=None, description="Digest of the parts of spec that the check used."
    )
    model_version: ModelVersion | None = Field(default=None, description="Version that newRows are counted against.")
    stamp: ShownIdentifier | None = Field(
        default=None, description="ETag or modification time of the file: while it is the same, the file is not read."
    )
    digest: ShownIdentifier | None = Field(default=None, description="SHA-256 of the file's bytes.")
    rows: Tally = Field(default=None, description="Usable rows.")
    new_rows: Tally = Field(
        default=None, description="Rows that the version that serves was not trained on, counted by content."
    )
    newest_row_time: Timestamp | None = Field(
        default=None, description="Time of the newest row, where spec.columns.time names a column."
    )


class RetrainingState(ApiModel):
    """The state of retraining."""

    active_job: ObjectName | None = Field(default=None, description="RetrainingJob that works on the model now.")
    last_job: ObjectName | None = Field(default=None, description="RetrainingJob that ended last.")
    last_finished_time: Timestamp | None = Field(
        default=None, description="When it ended; the cool-down runs from here."
    )
    next_allowed_time: Timestamp | None = Field(default=None, description="When the cool-down is over.")
    next_scheduled_time: Timestamp | None = Field(default=None, description="When the schedule is due next.")
    failed_attempts: Tally = Field(
        default=None, description="Retrainings in a row that failed, were rejected or not promoted."
    )
    tried_spec_digest: ShownIdentifier | None = Field(
        default=None, description="Digest of the spec that the last retraining was begun with."
    )
    tried_data_digest: ShownIdentifier | None = Field(
        default=None, description="Digest of the data that the last retraining was begun with."
    )
    previous_version: ModelVersion | None = Field(
        default=None, description="Version that served before the last promotion."
    )
    deleted_version: ModelVersion | None = Field(
        default=None,
        description="Active version that was deleted in the registry last; the training after it makes a new version.",
    )
    deleted_run_id: ShownIdentifier | None = Field(default=None, description="MLflow run that had made that version.")
    rolled_back_version: ModelVersion | None = Field(
        default=None,
        description="Version that was taken back last, by the annotations twinops.dev/rollback-from, rollback-to, "
        "rollback-reason and rollback-by.",
    )


class TwinModelStatus(Status):
    """What the operator knows of the twin. Written by the operator alone."""

    phase: TwinModelPhase = Field(
        default=TwinModelPhase.PENDING,
        description="Summary for printing: Pending, Training, Ready, Degraded, Failed or Suspended. Conditions "
        "are the truth.",
    )
    conditions: Conditions = Field(
        default=(),
        description="Ready, and Reconciling or Stalled while true; Faithful (are predictions borne out), Retrainable, "
        "ArchiveReachable while it is not, OutcomesIncomplete while the archive lacks graded outcomes, "
        "RegistryConflict while the registry's champion is not a version of this TwinModel, and AssignmentNotRandom "
        "and DataWarning as warnings.",
    )
    registered_model: RegisteredModelName | None = Field(default=None, description="Name in the MLflow registry.")
    trace_id: TraceId | None = Field(
        default=None,
        description="Trace that log lines and spans of its trainings belong to: that of annotation "
        "twinops.dev/traceparent, or its own.",
    )
    model: ServingModel | None = Field(default=None, description="The version that serves.")
    effects: Annotated[tuple[ArmEffect, ...], Field(max_length=EFFECTS_LIMIT, json_schema_extra=list_map("arm"))] = (
        Field(default=(), description="Average effect of each arm against the control.")
    )
    fidelity: TwinFidelity | None = Field(default=None, description="How right the serving version has been.")
    data: DataState | None = Field(default=None, description="What the last check of spec.data found.")
    retraining: RetrainingState | None = Field(default=None, description="State of retraining.")
