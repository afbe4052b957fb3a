"""RetrainingJob: one retraining of one model, from trigger to promotion."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from twin_operator.api.v1alpha1.conditions import (
    Conditions,
    RetrainingJobPhase,
)
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.fields import (
    SECONDS_LIMIT,
    Figure,
    Identifier,
    ModelVersion,
    Proportion,
    Seconds,
    Sentence,
    Tally,
    Timestamp,
    TraceId,
)
from twin_operator.api.v1alpha1.resource import (
    AGE,
    Column,
    Definition,
    Resource,
    Status,
    TwinModelRef,
    condition_column,
)
from twin_operator.api.v1alpha1.schema import ApiModel, Rule, immutable, rules
from twin_operator.api.v1alpha1.twin_model import Folds, Seed
from twin_operator.domain.table.columns import Algorithm


class RetrainingTrigger(ApiModel):
    """What asked for the retraining."""

    type: Trigger = Field(
        default=Trigger.MANUAL,
        description="Manual for a user's request; the operator's own jobs have Scheduled, FidelityDegraded, "
        "PredictionError, "
        "CoverageDrop, NewData or SpecChanged.",
    )
    message: Sentence | None = Field(default=None, description="Reason, in words.")


class Approval(ApiModel):
    """The decision of a user, made once."""

    approved: bool = Field(description="True lets the training start; false rejects the job for good.")
    by: Identifier = Field(
        description="Your user name, as kubectl auth whoami prints it. The admission policy refuses any other."
    )
    message: Sentence | None = Field(default=None, description="Reason, in words.")


class LearnerOverride(ApiModel):
    """Parts of the model's learner to be different in this job."""

    algorithm: Algorithm | None = Field(
        default=None, description="GradientBoosting, RandomForest or Linear. Absent: the model's."
    )
    folds: Folds | None = Field(
        default=None, description="Parts that rows are cut into for cross-fitting. Absent: the model's."
    )
    seed: Seed | None = Field(default=None, description="Seed of fold assignment and fitting. Absent: the model's.")


class Gate(ApiModel):
    """What a candidate must show before it serves."""

    max_regression: Proportion = Field(
        default=0.0,
        description="How much worse than the champion's loss a candidate's may be, as a share of it, beyond "
        "chance: 0.02 is 2 %.",
    )


class RetrainingJobSpec(ApiModel):
    """The retraining asked for. It cannot be changed, but for approval, cancel and ttlSecondsAfterFinished."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *immutable(
                (
                    "modelRef",
                    "trigger",
                    "overrideCooldown",
                    "learner",
                    "gate",
                    "activeDeadlineSeconds",
                    "backoffLimit",
                ),
                "create another RetrainingJob",
            ),
            Rule(
                "!has(oldSelf.approval) || (has(self.approval) && self.approval == oldSelf.approval)",
                "approval can be set once and then neither changed nor removed: write cancel: true to stop the job, "
                "or create another RetrainingJob",
                field_path=".approval",
                reason="FieldValueForbidden",
            ),
            Rule(
                "!oldSelf.cancel || self.cancel",
                "cancel cannot be taken back: create another RetrainingJob",
                field_path=".cancel",
                reason="FieldValueForbidden",
            ),
        )
    )

    model_ref: TwinModelRef = Field(description="The TwinModel to be trained again.")
    trigger: RetrainingTrigger = Field(default=RetrainingTrigger(), description="What asked for the retraining.")
    approval: Approval | None = Field(
        default=None,
        description="The decision of a user; can be set once, by a user with the RBAC verb approve on this job. "
        "Absent: undecided.",
    )
    override_cooldown: bool = Field(
        default=False, description="True starts without waiting for the model's cool-down. Needs the RBAC verb approve."
    )
    learner: LearnerOverride | None = Field(
        default=None, description="Parts of the model's learner to be different in this job."
    )
    gate: Gate = Field(
        default=Gate(), description="What a candidate must show. Anything but the default needs the RBAC verb approve."
    )
    cancel: bool = Field(default=False, description="True stops the job. It cannot be taken back.")
    active_deadline_seconds: Seconds | None = Field(
        default=None,
        description="Seconds from the start of Training after which the job fails; waiting does not count.",
    )
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2, description="Retries after a crash before the job fails (BackoffLimitExceeded)."
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=SECONDS_LIMIT)] | None = Field(
        default=None,
        description="Seconds after its end when the job is deleted. Absent: it is kept. The operator's own get one.",
    )


class TrainingPlan(ApiModel):
    """What was really trained with."""

    algorithm: Algorithm | None = Field(default=None, description="Learner that was fitted.")
    folds: Tally = Field(default=None, description="Parts of the cross-fitting.")
    seeds: Tally = Field(default=None, description="Fold seeds that were averaged over.")
    seed: Tally = Field(default=None, description="The first of those seeds.")
    newest_only: Timestamp | None = Field(default=None, description="Experiments older than this were left out.")
    reason: Sentence | None = Field(default=None, description="Why the plan differs from the model's learner.")
    spec_digest: Identifier | None = Field(default=None, description="Digest of the spec that was trained by.")
    data_digest: Identifier | None = Field(default=None, description="SHA-256 of the bytes that were trained on.")


class Contender(ApiModel):
    """A version, and how it did."""

    version: ModelVersion | None = Field(default=None, description="Version in the registry.")
    loss: Figure = Field(
        default=None, description="Log loss (Binary) or squared error on the candidate's held-out rows."
    )
    backtest_score: Figure = Field(
        default=None, description="Mean interval score on outcomes known so far; lower is better."
    )


class GateResult(ApiModel):
    """Whether the candidate may serve."""

    passed: bool | None = Field(default=None, description="True: the candidate was promoted.")
    message: Sentence | None = Field(default=None, description="The comparison in a sentence.")


class RetrainingJobStatus(Status):
    """How far the job is. Written by the operator alone."""

    phase: RetrainingJobPhase = Field(
        default=RetrainingJobPhase.PENDING,
        description="Summary for printing: Pending, CoolingDown, AwaitingApproval, Approved, Training, "
        "Validating, Completed, "
        "Failed, Rejected or Cancelled. Conditions are the truth.",
    )
    conditions: Conditions = Field(
        default=(), description="Ready (done well), Reconciling or Stalled while true, and Promoted."
    )
    trace_id: TraceId | None = Field(
        default=None,
        description="Trace that log lines and spans of its training and comparison belong to: that of annotation "
        "twinops.dev/traceparent, or its own.",
    )
    not_before: Timestamp | None = Field(default=None, description="When the model's cool-down is over.")
    attempts: Tally = Field(default=None, description="How often the training was begun.")
    approved_by: Identifier | None = Field(
        default=None, description="Who approved it; policy where no approval was needed."
    )
    approved_time: Timestamp | None = Field(default=None, description="When it was approved.")
    start_time: Timestamp | None = Field(
        default=None, description="When Training began; activeDeadlineSeconds counts from here."
    )
    completion_time: Timestamp | None = Field(default=None, description="When it ended, well or not.")
    plan: TrainingPlan | None = Field(default=None, description="What was really trained with.")
    candidate: Contender | None = Field(default=None, description="The new version.")
    champion: Contender | None = Field(default=None, description="The version that served when it was compared.")
    gate: GateResult | None = Field(default=None, description="Whether the candidate may serve.")


class RetrainingJob(Resource):
    """One retraining of one TwinModel: trigger, approval, training, comparison and promotion."""

    definition: ClassVar[Definition] = Definition(
        kind="RetrainingJob",
        plural="retrainingjobs",
        short_names=("rtj",),
        columns=(
            Column("Phase", ".status.phase", description="Where the job is."),
            Column("Model", ".spec.modelRef.name", description="The TwinModel to be trained again."),
            Column("Trigger", ".spec.trigger.type", description="What asked for it."),
            Column("Approved by", ".status.approvedBy", description="Who approved it."),
            Column("Candidate", ".status.candidate.version", description="The new version."),
            condition_column("Promoted", "Promoted"),
            AGE,
            Column("Not before", ".status.notBefore", description="When the cool-down is over.", wide=True),
            Column("Attempts", ".status.attempts", "integer", "How often it was begun.", wide=True),
            Column("Loss", ".status.candidate.loss", "number", "The candidate's loss.", wide=True),
            Column("Champion loss", ".status.champion.loss", "number", "The champion's loss.", wide=True),
            condition_column("Reason", "Ready", "reason", wide=True),
            condition_column("Message", "Ready", "message", wide=True),
        ),
        selectable=(".status.phase", ".spec.modelRef.name"),
    )

    kind: str = "RetrainingJob"
    spec: RetrainingJobSpec
    status: RetrainingJobStatus = Field(
        default=RetrainingJobStatus(), description="How far the job is. Written by the operator alone."
    )
