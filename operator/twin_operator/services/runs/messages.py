"""What travels between operator and workers: the payloads of tasks, and their results.

A message is JSON under the names that every release uses. Fields that a newer release added are ignored, so that a
message of another release is understood.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, PlainSerializer, TypeAdapter

from twin_operator.api.v1alpha1 import SimulationSpec, TwinModelSpec
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.fields import ModelVersion, RegisteredModelName, Timestamp
from twin_operator.api.v1alpha1.retraining_job import Contender, Gate, GateResult
from twin_operator.api.v1alpha1.schema import present, wire_name
from twin_operator.api.v1alpha1.simulation_status import SimulationAnswer
from twin_operator.domain.effects.answers import Evidence
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm, FeatureType, Uncertainty
from twin_operator.domain.twin import Contrast, TauWeights
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import moment


class Message(BaseModel):
    """A part of a message: immutable, read leniently, written under the names of the API."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
        ser_json_inf_nan="constants",  # degrees of freedom may be infinite, and a measured loss not a number
    )

    def wire(self) -> JSON:
        """Return the JSON that travels."""
        return self.model_dump(mode="json")


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
WireUncertainty = Annotated[Uncertainty, PlainSerializer(asdict)]
WireEvidence = Annotated[Evidence, PlainSerializer(asdict)]
WireOutcome = Annotated[RecordedOutcome, BeforeValidator(_with_infinite_degrees), PlainSerializer(asdict)]


class TauWeightsOnTheWire(Message):
    """Weights `(n,)` of values of tau `(n,)`, in the outcome's units, and what they were computed from."""

    tau: tuple[float, ...]
    weight: tuple[float, ...]
    experiments: int
    outcomes: int

    @classmethod
    def of(cls, weights: TauWeights) -> Self:
        """Return what travels of weights."""
        return cls(
            tau=tuple(weights.tau.tolist()),
            weight=tuple(weights.weight.tolist()),
            experiments=weights.experiments,
            outcomes=weights.outcomes,
        )

    def weights(self) -> TauWeights:
        """Return the weights in the domain's terms."""
        return TauWeights(np.asarray(self.tau), np.asarray(self.weight), self.experiments, self.outcomes)


class SimulationPayload(Message):
    """The task of a Simulation.

    Attributes:
        spec: of the Simulation.
        version: of the registered model; it is the one that answers.
        run_id: the MLflow run that made the version; None in a message of release 0.1.0.
        uncertainty: of the TwinModel's spec.
        weights: how much experiments differ.
    """

    spec: Annotated[SimulationSpec, PlainSerializer(SimulationSpec.manifest)]
    registered_model: str
    version: str
    run_id: str | None = None
    uncertainty: WireUncertainty
    weights: TauWeightsOnTheWire


FIRST_RESULT: Final = 1
"""What workers of release 0.1.0 write, without a number: a recommendation, `effect.calibrated`, and no evidence."""
RESULT: Final = 2
"""Numbers only: `evidence` is what the operator makes the recommendation of."""


class SimulationResult(SimulationAnswer):
    """The numbers of an answer, and the version that gave them.

    Attributes:
        message_version: what a reader may expect of it: `FIRST_RESULT` or `RESULT`.
        evidence: what a recommendation rests on; None in the first version.
    """

    message_version: int = FIRST_RESULT
    registered_model: RegisteredModelName | None = None
    model_version: ModelVersion | None = None
    evidence: WireEvidence | None = None

    def wire(self) -> JSON:
        """Return the JSON that travels: what is absent or empty is left out."""
        content: JSON = present(self.model_dump(mode="json"))
        return content


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
        plans: how versions were trained; only the champion's is needed.
        uncertainty: of the TwinModel's spec.
        gate: of the RetrainingJob's spec.
        ledger: the recorded outcomes of the registered model.
    """

    run: str
    registered_model: str
    candidate: str
    champion: str
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
    """

    spec: WireSpec
    known: KnownData | None
    registered_model: str
    version: str | None


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


@dataclass(frozen=True)
class TrainedEffect:
    """The average effect of an arm: `domain.train.ArmEffect`, which the operator cannot import without scikit-learn."""

    arm: str
    estimate: float
    standard_error: float
    low: float
    high: float
    confidence: float
    calibrated: bool


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
    effects: tuple[Annotated[TrainedEffect, PlainSerializer(asdict)], ...]
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
