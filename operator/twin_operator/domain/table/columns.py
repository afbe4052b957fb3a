"""How a table of past experiments is described and how it is learned from. Values only, no rules about data."""

from dataclasses import dataclass
from enum import StrEnum


class FeatureType(StrEnum):
    """Whether a feature is measured or labelled."""

    NUMERIC = "Numeric"
    CATEGORICAL = "Categorical"


class OutcomeType(StrEnum):
    """Whether the outcome is an event or a quantity."""

    BINARY = "Binary"
    CONTINUOUS = "Continuous"


class Better(StrEnum):
    """The direction in which the outcome improves."""

    HIGHER = "Higher"
    LOWER = "Lower"

    @property
    def sign(self) -> float:
        """+1 where a positive effect is a benefit, -1 where a negative one is."""
        return 1.0 if self is Better.HIGHER else -1.0


class Assignment(StrEnum):
    """How units came to their arms."""

    RANDOMIZED = "Randomized"
    OBSERVATIONAL = "Observational"


class Algorithm(StrEnum):
    """The family of the outcome models."""

    GRADIENT_BOOSTING = "GradientBoosting"
    RANDOM_FOREST = "RandomForest"
    LINEAR = "Linear"


@dataclass(frozen=True)
class Feature:
    """A column that describes a unit before it was assigned."""

    name: str
    type: FeatureType


@dataclass(frozen=True)
class Columns:
    """Which column of the table plays which part; `None` where the table has none for it."""

    features: tuple[Feature, ...]
    treatment: str
    control: str
    outcome: str
    outcome_type: OutcomeType
    better: Better = Better.HIGHER
    positive: str | None = None
    experiment: str | None = None
    cluster: str | None = None
    weight: str | None = None
    propensity: str | None = None
    assignment: Assignment = Assignment.RANDOMIZED
    time: str | None = None

    @property
    def binary(self) -> bool:
        """Whether the outcome is an event."""
        return self.outcome_type is OutcomeType.BINARY

    def of_type(self, kind: FeatureType) -> tuple[str, ...]:
        """Names of the features of one type, sorted, so that the order of the columns never matters."""
        return tuple(sorted(feature.name for feature in self.features if feature.type is kind))


@dataclass(frozen=True)
class Learner:
    """How the outcome models are fitted; `seed` decides the folds and the forests."""

    algorithm: Algorithm = Algorithm.GRADIENT_BOOSTING
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Uncertainty:
    """How wide intervals are: confidence, and the prior scale of differences between experiments in control-arm SDs."""

    confidence: float = 0.95
    between_experiment_scale: float = 0.25
    accept_prior: bool = False
