"""The ledger: predictions as they were issued, and what was then observed. Values only; grading is in `fidelity`."""

from dataclasses import dataclass, replace
from enum import StrEnum

from twin_operator.domain.effects.population import Clause


class Grade(StrEnum):
    """How near a prediction came to its outcome."""

    EXCELLENT = "Excellent"
    GOOD = "Good"
    FAIR = "Fair"
    POOR = "Poor"


class NotCounted(StrEnum):
    """Why a graded outcome does not count towards the fidelity of the active version."""

    HINDSIGHT = "Hindsight"
    OTHER_VERSION = "OtherVersion"
    IN_TRAINING_DATA = "InTrainingData"
    NOT_WIDEST = "NotWidest"
    SAME_EXPERIMENT = "SameExperiment"


@dataclass(frozen=True)
class Issued:
    """A prediction as it was issued, in outcome units.

    `standard_error`: half the predictive interval in normal quantiles; `sampling_sd`: sqrt(v_IF); `share_squared`: S;
    `degrees`: of freedom of v_IF; `control_sd`, `treated_sd`: of the outcome in each arm.
    """

    estimate: float
    standard_error: float
    sampling_sd: float
    share_squared: float
    degrees: float
    control_sd: float
    treated_sd: float

    @property
    def variance(self) -> float:
        """v_IF."""
        return self.sampling_sd**2

    def reversed(self) -> "Issued":
        """The prediction read the other way round."""
        return replace(self, estimate=-self.estimate, control_sd=self.treated_sd, treated_sd=self.control_sd)


@dataclass(frozen=True)
class Observed:
    """An effect as it was measured, in outcome units, with its precision in one of three forms."""

    experiment: str
    effect: float
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    sample_size: int | None = None


@dataclass(frozen=True)
class Graded:
    """What a prediction is worth now that its outcome is known. `observed_sd`: s_o; errors in outcome units or SDs."""

    observed_sd: float
    absolute_error: float
    relative_error: float
    standardized_error: float
    covered: bool
    grade: Grade

    def reversed(self) -> "Graded":
        """The grade of the same prediction, read the other way round."""
        return replace(self, standardized_error=-self.standardized_error)


@dataclass(frozen=True)
class TwinKey:
    """What identifies a twin: uid of its cluster, namespace and name of its TwinModel; empty where that is not known.

    Names of registered models and uids of objects can be given to another twin, or change when a backup is restored.
    """

    cluster: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class VersionIdentity:
    """A version of a twin: its number, which can be given out twice, and the MLflow run that made it.

    `run_id`: None where it is not known; `trained`: when it was trained, seconds since the epoch, None likewise.
    """

    number: str
    run_id: str | None
    trained: float | None

    def predicted(self, outcome: "RecordedOutcome") -> bool:
        """Whether this version issued the prediction of an outcome.

        Where the run of one of them is not known, the version of that number counts if it was trained by then: what was
        predicted before is of an earlier version with the same number.
        """
        if outcome.run_id is not None and self.run_id is not None:
            return outcome.run_id == self.run_id
        existed = self.trained is not None and outcome.predicted_at >= self.trained
        return outcome.model_version == self.number and existed


@dataclass(frozen=True)
class RecordedOutcome:
    """One graded outcome of the archive: all that the window, the mixture over tau and a backtest need of it.

    `simulation`: uid of the Simulation; `name`: its name; `where`: the population that was asked about;
    `population_share`: its share of the model's data. Moments are seconds since the epoch: `predicted_at` is when the
    Simulation was answered, `time` when the outcome became known, `recorded` when it was first stored here.
    `hindsight`: the outcome was known before the prediction, and does not count. `twin`: whose prediction it was;
    `run_id`: the MLflow run that made the version, None where release 0.1.0 recorded it.
    """

    simulation: str
    name: str
    registered_model: str
    model_version: str
    experiment: str
    arm: str
    against: str
    where: tuple[Clause, ...]
    population_share: float
    issued: Issued
    observed: float
    graded: Graded
    hindsight: bool
    predicted_at: float
    time: float
    recorded: float
    twin: TwinKey = TwinKey()
    run_id: str | None = None

    @property
    def error(self) -> float:
        """The effect observed less the effect predicted, o - p, in outcome units."""
        return self.observed - self.issued.estimate

    def reversed(self) -> "RecordedOutcome":
        """The same outcome as that of `against` instead of `arm`."""
        return replace(
            self,
            arm=self.against,
            against=self.arm,
            issued=self.issued.reversed(),
            observed=-self.observed,
            graded=self.graded.reversed(),
        )
