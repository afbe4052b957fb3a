"""Messages about training: payloads and results of trainings, comparisons with the champion, and data checks."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, TypeAdapter

from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.fields import Timestamp
from twin_operator.api.v1alpha1.retraining_job import Contender, Gate, GateResult
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm, FeatureType
from twin_operator.domain.twin import ArmEffect, Contrast
from twin_operator.services.runs.message import Message, WireUncertainty
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import moment


class PlanOnTheWire(Message):
    """A training plan in the terms of `RetrainingJob.status.plan`; the domain's `TrainingPlan` explains the fields."""

    algorithm: Algorithm
    folds: int
    seed: int
    seeds: int | None = None
    newest_only: Timestamp | None = None
    candidates: tuple[Algorithm, ...] = ()
    reason: str = ""
    seed_factor: int = 1

    @classmethod
    def of(cls, plan: TrainingPlan) -> Self:
        """Return what travels of a plan."""
        return cls(
            algorithm=plan.algorithm,
            folds=plan.folds,
            seed=plan.seed,
            seeds=plan.seeds,
            newest_only=None if plan.newest_only is None else moment(plan.newest_only),
            candidates=plan.candidates,
            reason=plan.reason,
            seed_factor=plan.seed_factor,
        )

    def plan(self) -> TrainingPlan:
        """Return the plan in the domain's terms."""
        return TrainingPlan(
            algorithm=self.algorithm,
            folds=self.folds,
            seed=self.seed,
            seeds=self.seeds,
            newest_only=_seconds(self.newest_only),
            candidates=self.candidates,
            reason=self.reason,
            seed_factor=self.seed_factor,
        )


def read_plan(value: TrainingPlan | Mapping[str, Any]) -> TrainingPlan:
    """Return a plan from the JSON that travels, or as it is."""
    return value if isinstance(value, TrainingPlan) else PlanOnTheWire.model_validate(value).plan()


def write_plan(plan: TrainingPlan) -> JSON:
    """Return a plan as JSON without defaults: `RetrainingJob.status.plan` then shows what was chosen, and no more."""
    return PlanOnTheWire.of(plan).model_dump(mode="json", exclude_defaults=True)


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _read_contrast(value: Contrast | Mapping[str, Any]) -> Contrast:
    return value if isinstance(value, Contrast) else Contrast.from_dict(value)


def _with_infinite_degrees(value: Any) -> Any:  # noqa: ANN401 - JSON, or the outcome itself
    """Return a recorded outcome whose degrees of freedom are infinite again: JSON has null for that."""
    if not isinstance(value, Mapping) or value["issued"].get("degrees") is not None:
        return value
    return {**value, "issued": {**value["issued"], "degrees": math.inf}}


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return figures without those that were not finite: JSON has null for them."""
    return {name: each for name, each in value.items() if each is not None} if isinstance(value, Mapping) else value


WirePlan = Annotated[TrainingPlan, BeforeValidator(read_plan), PlainSerializer(write_plan)]
WireContrast = Annotated[InstanceOf[Contrast], BeforeValidator(_read_contrast), PlainSerializer(Contrast.as_dict)]
WireSpec = Annotated[TwinModelSpec, PlainSerializer(TwinModelSpec.manifest)]
WireContender = Annotated[Contender, PlainSerializer(Contender.manifest)]
# These travel under the domain's names of their fields.
WireArmEffect = Annotated[ArmEffect, PlainSerializer(asdict)]
WireOutcome = Annotated[RecordedOutcome, BeforeValidator(_with_infinite_degrees), PlainSerializer(asdict)]


class TrainingPayload(Message):
    """The task of a first training.

    Attributes:
        spec: of the TwinModel.
        owner: `CLUSTER/NAMESPACE/NAME/UID` of the TwinModel, for the tag of the registered model.
        run: identity of the run; at most one version is registered for it.
    """

    spec: WireSpec
    registered_model: str
    owner: str
    run: str


class RetrainingPayload(TrainingPayload):
    """The task that trains a candidate.

    Attributes:
        job: uid of the RetrainingJob.
        trigger: what the job was created for.
        plan: how the candidate is trained.
    """

    job: str
    trigger: Trigger
    plan: WirePlan


class ComparisonPayload(Message):
    """The task that compares a candidate with the champion.

    Attributes:
        candidate, champion: versions of the registered model.
        mlflow_runs: the MLflow runs that made them, by version, as far as they are known: a number may be given again.
        plans: how versions were trained; only the champion's is needed.
        uncertainty: of the TwinModel's spec.
        gate: of the RetrainingJob's spec.
        ledger: the recorded outcomes of the registered model.
    """

    run: str
    registered_model: str
    candidate: str
    champion: str
    mlflow_runs: dict[str, str] = Field(default_factory=dict)
    plans: dict[str, WirePlan]
    uncertainty: WireUncertainty
    gate: Gate
    ledger: tuple[WireOutcome, ...]


class KnownData(Message):
    """What the last check of the data found: what changes with the file (such as an ETag), and its digest."""

    stamp: str | None = None
    digest: str | None = None


class DataCheckPayload(Message):
    """The task that checks a TwinModel's data.

    Attributes:
        spec: of the TwinModel.
        known: what the last check found; None where that was for another spec or version.
        version: the active version, whose rows are not new.
        run_id: the MLflow run that made it.
    """

    spec: WireSpec
    known: KnownData | None
    registered_model: str
    version: str | None
    run_id: str | None = None


class DataFound(Message):
    """What a check of changed data found.

    Attributes:
        stamp: what changes with the file; None where its store reports nothing of the kind.
        digest: of the file's bytes.
        rows: usable rows.
        new_rows: rows that the version was not trained on; None without a version.
        newest_row_time: None without a time column.
    """

    stamp: str | None
    digest: str
    rows: int
    new_rows: int | None
    newest_row_time: Timestamp | None


class DataUnchanged(Message):
    """The result of a check of data that is as it was at the last check."""

    unchanged: Literal[True] = True
    stamp: str | None


_DATA_CHECK: TypeAdapter[DataUnchanged | DataFound] = TypeAdapter(DataUnchanged | DataFound)


def data_check_result(value: JSON) -> DataUnchanged | DataFound:
    """Read the result of a data check."""
    return _DATA_CHECK.validate_python(value)


class Summary(Message):
    """What training keeps next to the bank of a version.

    Attributes:
        features: types of the feature columns, by name.
        plan: how it was really trained; the same plan on the same rows gives the same bank.
        effects: average effects of the arms against the control.
        assignment_not_random: a sentence, where the assignment was found not to be random.
    """

    data_digest: str | None = None
    spec_digest: str | None = None
    samples: int
    arms: tuple[str, ...]
    experiments: tuple[str, ...]
    features: dict[str, FeatureType]
    algorithm: Algorithm | None = None
    plan: WirePlan
    metrics: Annotated[dict[str, float], BeforeValidator(_finite)]
    effects: tuple[WireArmEffect, ...]
    warnings: tuple[str, ...] = ()
    assignment_not_random: str | None = None
    contrasts: tuple[WireContrast, ...]
    trained_time: Timestamp | None = None


class TrainedVersion(Summary):
    """A version of a registered model: the result of a training task, and what the registry returns.

    Attributes:
        run_id: of the MLflow run that holds its files.
    """

    version: str
    run_id: str | None = None


class Comparison(Message):
    """The result of a comparison, in the terms of `RetrainingJob.status`."""

    candidate: WireContender
    champion: WireContender
    gate: GateResult
