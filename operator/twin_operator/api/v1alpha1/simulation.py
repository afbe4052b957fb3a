"""Simulation: what would this intervention do to this population? The kind and its spec."""

from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from twin_operator.api.v1alpha1.fields import (
    SECONDS_LIMIT,
    SEED_LIMIT,
    ColumnName,
    Confidence,
    Label,
    ModelVersion,
    Quantity,
    QueueName,
    Seconds,
)
from twin_operator.api.v1alpha1.observed_outcome import ObservedOutcome
from twin_operator.api.v1alpha1.resource import AGE, Column, Definition, Resource, TwinModelRef, condition_column
from twin_operator.api.v1alpha1.schema import LIST_SET, ApiModel, Rule, immutable, rules, unchanged
from twin_operator.api.v1alpha1.simulation_status import SimulationStatus
from twin_operator.api.v1alpha1.target_population import TargetPopulation

PLAYED_UNITS_LIMIT = 200_000_000
"""unitsPerArm x replications of a played trial: some minutes of one worker at the measured rates."""
DEFAULT_QUEUE: Final = "simulations"
_ASK_ANEW = "create another Simulation for another question"
_FINISHED = "has(oldSelf.status) && oldSelf.status.phase in ['Succeeded', 'Failed']"
_FAILED = "has(oldSelf.status) && oldSelf.status.phase == 'Failed'"
_SAME_TTL = unchanged("self.spec.ttlSecondsAfterFinished", "oldSelf.spec.ttlSecondsAfterFinished")
_SAME_OUTCOME = unchanged("self.spec.observed", "oldSelf.spec.observed")


class BoundModelRef(TwinModelRef):
    """The TwinModel that answers."""

    version: ModelVersion | None = Field(
        default=None,
        description='Version of its registered model, such as "3". Absent: the one that serves when the '
        "Simulation is queued.",
    )


class Intervention(ApiModel):
    """The comparison that is asked about."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.against) || self.arm != self.against",
                "arm and against must differ: name in against the arm to compare with, or leave it out for the control",
                field_path=".against",
            )
        )
    )

    arm: Label = Field(
        description="Arm to be given, a value of the model's treatment column; status.model.arms lists them."
    )
    against: Label | None = Field(default=None, description="Arm to be compared with. Absent: the model's control.")


class Decision(ApiModel):
    """The rule that the recommendation follows."""

    minimum_effect: Quantity = Field(
        default=0,
        description="Effect below which the intervention is not worth its cost, in the outcome's units, counted "
        "in the better "
        "direction: 0.01 is one percentage point of a Binary outcome.",
    )
    confidence: Confidence = Field(
        default=0.95,
        description="Deploy when the probability of more than minimumEffect is at least this, Skip when it is at "
        "most 1 less this.",
    )


class TrialDesign(ApiModel):
    """How the next trial would be run, for its size or to play it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.replications) || has(self.unitsPerArm)",
                "replications play a trial of a given size: write unitsPerArm too",
                field_path=".replications",
            ),
            Rule(
                "!has(self.replications) || !has(self.unitsPerArm) || "
                f"self.unitsPerArm * self.replications <= {PLAYED_UNITS_LIMIT}",
                f"unitsPerArm times replications must be at most {PLAYED_UNITS_LIMIT}: write fewer replications",
                field_path=".replications",
            ),
        )
    )

    power: Annotated[float, Field(ge=0.5, le=0.999)] = Field(
        default=0.8, description="Probability with which the trial should find an effect as large as estimated."
    )
    intraclass_correlation: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0, description="How alike units of a cluster are, 0 to 1. Needed where whole clusters are randomised."
    )
    cluster_size: Annotated[float, Field(ge=1, le=1_000_000)] = Field(
        default=1, description="Units in a cluster, on average; 1 when units are randomised one by one."
    )
    cluster_size_cv: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0, description="Coefficient of variation of cluster sizes; 0 when all are alike."
    )
    units_per_arm: Annotated[int, Field(ge=2, le=100_000_000)] | None = Field(
        default=None, description="Units in each arm of a planned trial: status then has its power and assurance."
    )
    replications: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="How often to play that trial on resampled rows. unitsPerArm times replications is at most 2e8.",
    )


class SimulationSpec(ApiModel):
    """The question. It cannot be changed, but for observed, suspend and ttlSecondsAfterFinished."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *immutable(
                (
                    "modelRef",
                    "intervention",
                    "population",
                    "seed",
                    "subgroups",
                    "decision",
                    "trial",
                    "activeDeadlineSeconds",
                    "backoffLimit",
                    "priority",
                    "queue",
                ),
                _ASK_ANEW,
            ),
            Rule(
                "!has(oldSelf.observed) || (has(self.observed) && self.observed == oldSelf.observed)",
                "observed can be set once and then neither changed nor removed: record a correction in "
                "another Simulation",
                field_path=".observed",
                reason="FieldValueForbidden",
            ),
        )
    )

    model_ref: BoundModelRef = Field(description="The TwinModel that answers.")
    intervention: Intervention = Field(description="The comparison that is asked about.")
    population: TargetPopulation = Field(
        default=TargetPopulation(),
        description="The units it is planned for. Absent: units like those in the model's data.",
    )
    seed: Annotated[int, Field(ge=0, le=SEED_LIMIT)] = Field(
        default=0,
        description="Seed of everything random in the answer: the same question and seed give the same answer.",
    )
    subgroups: Annotated[tuple[ColumnName, ...], Field(max_length=8, json_schema_extra=LIST_SET)] = Field(
        default=(),
        description="Features to break the effect down by: levels of a categorical one, quartiles of a numeric one.",
    )
    decision: Decision = Field(default=Decision(), description="The rule that the recommendation follows.")
    trial: TrialDesign = Field(default=TrialDesign(), description="How the next trial would be run.")
    observed: ObservedOutcome | None = Field(
        default=None,
        description="The outcome, once it is known; can be set once, and not on a Simulation that Failed. It "
        "grades this "
        "prediction and teaches the model how much effects differ between experiments.",
    )
    active_deadline_seconds: Seconds | None = Field(
        default=None,
        description="Seconds from queuedTime after which an unfinished Simulation fails (DeadlineExceeded).",
    )
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=3, description="Retries after a crash before it fails (BackoffLimitExceeded)."
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=SECONDS_LIMIT)] | None = Field(
        default=None, description="Seconds after its end when the Simulation is deleted. Absent: it is kept."
    )
    priority: Annotated[int, Field(ge=0, le=9)] = Field(
        default=5,
        description="0 to 9, 9 the most urgent. Queues distinguish four levels: 7 to 9, 4 to 6, 1 to 3, and 0.",
    )
    queue: QueueName | None = Field(
        default=None, description="Queue to put it on. Absent: simulations, or trials where a trial is played."
    )
    suspend: bool = Field(
        default=False, description="True: it is not started, and stopped if it runs. False: it is started or resumed."
    )

    @property
    def task_queue(self) -> str:
        """The queue that the task goes to."""
        return self.queue or DEFAULT_QUEUE


class Simulation(Resource):
    """A question to a TwinModel, and its answer: what would this intervention do to this population?

    The spec is the question and cannot be changed; status is the answer. Once the real outcome is
    known it goes into spec.observed, which grades the answer.
    """

    definition: ClassVar[Definition] = Definition(
        kind="Simulation",
        plural="simulations",
        short_names=("twinsim",),
        columns=(
            Column("Phase", ".status.phase", description="Where the Simulation is."),
            Column("Model", ".spec.modelRef.name", description="The TwinModel that answers."),
            Column("Arm", ".spec.intervention.arm", description="The arm asked about."),
            Column("Effect", ".status.effect.estimate", "number", "Effect to be expected."),
            Column("Low", ".status.effect.low", "number", "Lower end of its interval."),
            Column("High", ".status.effect.high", "number", "Upper end of its interval."),
            Column("Action", ".status.recommendation.action", description="What to do."),
            AGE,
            Column("Why", ".status.recommendation.reason", description="What the action rests on.", wide=True),
            Column("P", ".status.recommendation.probabilityOfBenefit", "number", "Probability of benefit.", wide=True),
            Column("Against", ".spec.intervention.against", description="The arm compared with.", wide=True),
            Column("Version", ".status.modelVersion", description="Version that answers.", wide=True),
            Column("Matched", ".status.population.matched", "integer", "Rows that met where.", wide=True),
            Column("Grade", ".status.fidelity.grade", description="How right it was.", wide=True),
            condition_column("Reason", "Ready", "reason", wide=True),
            Column("Completed", ".status.completionTime", description="When it ended.", wide=True),
            Column("TTL", ".spec.ttlSecondsAfterFinished", "integer", "Seconds that it is kept.", wide=True),
        ),
        selectable=(".status.phase", ".spec.observed.experiment", ".status.fidelity.grade", ".spec.modelRef.name"),
        rules=(
            Rule(
                f"!({_FINISHED}) || self.spec.suspend == oldSelf.spec.suspend",
                "suspend cannot be changed after the end: create another Simulation to ask again",
                field_path=".spec.suspend",
                reason="FieldValueForbidden",
            ),
            Rule(
                f"!({_FINISHED}) || ({_SAME_TTL})",
                "ttlSecondsAfterFinished cannot be changed after the end: delete the Simulation when it is not needed",
                field_path=".spec.ttlSecondsAfterFinished",
                reason="FieldValueForbidden",
            ),
            Rule(
                f"!({_FAILED}) || ({_SAME_OUTCOME})",
                "observed cannot be set on a Simulation that Failed, as there is no prediction to grade: "
                "create another Simulation with it",
                field_path=".spec.observed",
                reason="FieldValueForbidden",
            ),
        ),
    )

    kind: str = "Simulation"
    spec: SimulationSpec
    status: SimulationStatus = Field(
        default=SimulationStatus(), description="The answer. Written by the operator alone."
    )
