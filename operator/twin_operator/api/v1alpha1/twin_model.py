"""TwinModel: a population twin and its effect model, learned from past experiments, and the spec that declares it."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from twin_operator.api.v1alpha1.enums import ApprovalPolicy, DeletionPolicy, Population
from twin_operator.api.v1alpha1.experiment_data import Columns, ExperimentSource
from twin_operator.api.v1alpha1.fields import (
    SEED_LIMIT,
    Confidence,
    Count,
    Cron,
    GoDuration,
    ModelVersion,
    Proportion,
    QueueName,
    RegisteredModelName,
    Sentence,
    TimeZone,
)
from twin_operator.api.v1alpha1.resource import AGE, Column, Definition, Resource, condition_column
from twin_operator.api.v1alpha1.schema import ApiModel, Rule, rules
from twin_operator.api.v1alpha1.twin_model_status import TwinModelStatus
from twin_operator.domain.table.columns import Algorithm

WINDOW_LIMIT = 50
"""Outcomes that status can list, and so the longest window that a reader can check by hand."""

Folds = Annotated[int, Field(ge=2, le=20)]
Seed = Annotated[int, Field(ge=0, le=SEED_LIMIT)]


class Learner(ApiModel):
    """How the nuisance models are fitted, out of fold."""

    algorithm: Algorithm = Field(
        default=Algorithm.GRADIENT_BOOSTING,
        description="GradientBoosting, RandomForest or Linear. It makes intervals narrower or wider, not wrong: "
        "effects are "
        "doubly robust.",
    )
    folds: Folds = Field(default=5, description="Parts that the rows are cut into for cross-fitting.")
    seed: Seed = Field(
        default=0, description="Seed of fold assignment and fitting: the same seed and rows give the same model."
    )


class Uncertainty(ApiModel):
    """How wide intervals are and what they may rest on."""

    confidence: Confidence = Field(default=0.95, description="Probability that an interval of status holds the truth.")
    between_experiment_scale: Annotated[float, Field(gt=0, le=10)] = Field(
        default=0.25,
        description="Scale of the prior on how much true effects differ between experiments, in standard "
        "deviations of the "
        "control arm. E-mail experiments differ by about 0.1, schools or villages by 0.4. Data outweigh it as "
        "experiments come in.",
    )
    accept_prior: bool = Field(
        default=False,
        description="Whether Deploy may rest on that prior alone, before enough experiments have been seen to "
        "calibrate it.",
    )


class FidelityPolicy(ApiModel):
    """When predictions that were followed by outcomes count as good enough."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.minValidations <= self.window",
                "minValidations must not exceed window: raise window or lower minValidations",
                field_path=".minValidations",
            )
        )
    )

    threshold: Proportion = Field(
        default=0.70, description="Score of status.fidelity below which the twin is degraded."
    )
    min_validations: Annotated[int, Field(ge=1, le=WINDOW_LIMIT)] = Field(
        default=5, description="Outcomes that must be known before the twin is judged at all."
    )
    max_mean_relative_error: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.25, description="Largest relative error of predictions, beyond what the outcomes' own noise explains."
    )
    min_interval_coverage: Proportion = Field(
        default=0.80, description="Smallest share of outcomes that must lie in their predicted intervals."
    )
    window: Annotated[int, Field(ge=1, le=WINDOW_LIMIT)] = Field(
        default=50, description="Number of the newest outcomes that fidelity is computed from."
    )


class RetrainingPolicy(ApiModel):
    """When the model is trained again, and who has to agree."""

    suspend: bool = Field(
        default=False, description="True: no RetrainingJob is created or started. The model keeps answering."
    )
    cooldown: GoDuration = Field(
        default=timedelta(hours=24),
        description="Time from the end of one retraining to the start of the next, as 24h or 90m.",
    )
    approval: ApprovalPolicy = Field(
        default=ApprovalPolicy.MANUAL,
        description="Manual: a user with the RBAC verb approve sets spec.approval of the RetrainingJob. "
        "Automatic: no approval is needed.",
    )
    auto_approve_below: Proportion = Field(
        default=0.0,
        description="Fidelity score below which a retraining needs no approval; 0 for never.",
    )
    max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3,
        description="Retrainings in a row that failed, were rejected or not promoted, after which automatic ones stop "
        "(RetrainingExhausted). A changed spec or a Manual job resets the count.",
    )
    min_samples: Count = Field(
        default=1000, description="Usable rows in total below which no automatic retraining starts."
    )
    max_data_age: GoDuration = Field(
        default=timedelta(hours=2160),
        description="Age of the newest row above which no automatic retraining starts. Needs columns.time.",
    )
    schedule: Cron | None = Field(
        default=None,
        description='When to retrain by the clock, in five cron fields: "0 3 * * 0" is Sundays at three. '
        "New rows wait for it; without a schedule they ask for a retraining by themselves.",
    )
    time_zone: TimeZone = Field(default="Etc/UTC", description="IANA time zone of schedule, such as Europe/Berlin.")


class TwinModelSpec(ApiModel):
    """What the twin is learned from, and how it is kept faithful."""

    description: Sentence | None = Field(default=None, description="Human-readable description of the twin.")
    population: Population = Field(
        default=Population.CUSTOM,
        description="Custom, or a preset that checks for expected columns: Hcp (health care professionals), "
        "Patient, Territory.",
    )
    data: ExperimentSource = Field(description="The rows of past experiments.")
    columns: Columns = Field(
        description="What each column means. A change retrains the model immediately, without the gate."
    )
    learner: Learner = Field(
        default=Learner(), description="How the models are fitted. Changing it asks for a RetrainingJob."
    )
    uncertainty: Uncertainty = Field(
        default=Uncertainty(), description="How intervals are made and what decisions may rest on."
    )
    fidelity: FidelityPolicy = Field(
        default=FidelityPolicy(),
        description="When the twin counts as faithful, judged by outcomes that came after predictions.",
    )
    retraining: RetrainingPolicy = Field(
        default=RetrainingPolicy(), description="When the model is trained again and who has to agree."
    )
    version: ModelVersion | None = Field(
        default=None,
        description='Pins the version of the registered model that serves, such as "7". Absent: the registry\'s '
        "champion serves.",
    )
    registered_model: RegisteredModelName | None = Field(
        default=None, description="Name in the MLflow registry. Absent: NAMESPACE.NAME, as shown in status."
    )
    queue: QueueName = Field(default="training", description="Queue that training tasks are put on.")
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="Retain keeps the registered model when the TwinModel is deleted; Delete removes it about an "
        "hour later.",
    )
    suspend: bool = Field(
        default=False, description="True stops training and retraining. A version that serves keeps answering."
    )


class TwinModel(Resource):
    """A population twin and its effect model, learned from past experiments.

    Simulations ask it what an intervention would do to a population.
    """

    definition: ClassVar[Definition] = Definition(
        kind="TwinModel",
        plural="twinmodels",
        short_names=("twm",),
        columns=(
            Column("Phase", ".status.phase", description="Where the twin is."),
            Column("Version", ".status.model.version", description="Version that serves."),
            Column("Samples", ".status.model.samples", "integer", "Rows it was trained from."),
            Column("Fidelity", ".status.fidelity.grade", description="How right its predictions were."),
            condition_column("Ready", "Ready"),
            condition_column("Reason", "Ready", "reason"),
            AGE,
            Column("Score", ".status.fidelity.score", "number", "Fidelity score, 0 to 1.", wide=True),
            Column("Validations", ".status.fidelity.validations", "integer", "Outcomes it is judged by.", wide=True),
            Column("Algorithm", ".status.model.algorithm", description="Learner of the serving version.", wide=True),
            Column("Registered", ".status.registeredModel", description="Name in the MLflow registry.", wide=True),
            Column("Next", ".status.retraining.nextScheduledTime", description="Next retraining.", wide=True),
            condition_column("Message", "Ready", "message", wide=True),
        ),
        selectable=(".status.phase",),
        rules=(
            Rule(
                "size(self.metadata.name) <= 192 || has(self.spec.registeredModel)",
                "metadata.name is too long to name a registered model: write at most 192 characters, or "
                "spec.registeredModel",
            ),
        ),
    )

    kind: str = "TwinModel"
    spec: TwinModelSpec
    status: TwinModelStatus = Field(
        default=TwinModelStatus(), description="What the operator knows of the twin. Written by the operator alone."
    )
