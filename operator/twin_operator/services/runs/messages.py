"""What stands in the payload of a task and in the value of its outcome, by kind of task.

The JSON is that of every release so far: a message of the release before is understood by this one, and the other way
round.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from twin_operator.api.v1alpha1.fields import ModelVersion, RegisteredModelName
from twin_operator.api.v1alpha1.schema import ApiModel, present
from twin_operator.api.v1alpha1.simulation_spec import SimulationSpec
from twin_operator.api.v1alpha1.simulation_status import SimulationAnswer
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin.tau_mixture import TauWeights
from twin_operator.services.runs.run import JSON


class _DomainMessage(BaseModel):
    """A part of a message under the names of the domain, not of the API."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UncertaintyMessage(_DomainMessage):
    """`spec.uncertainty` of a TwinModel."""

    confidence: float
    between_experiment_scale: float
    accept_prior: bool

    @classmethod
    def of(cls, uncertainty: Uncertainty) -> Self:
        """Return the message of the domain's value."""
        return cls(
            confidence=uncertainty.confidence,
            between_experiment_scale=uncertainty.between_experiment_scale,
            accept_prior=uncertainty.accept_prior,
        )

    def uncertainty(self) -> Uncertainty:
        """Return the domain's value."""
        return Uncertainty(self.confidence, self.between_experiment_scale, self.accept_prior)


class TauWeightsMessage(_DomainMessage):
    """Weights `(n,)` of values of tau `(n,)`, in the outcome's units, and what they were computed from."""

    tau: tuple[float, ...]
    weight: tuple[float, ...]
    experiments: int
    outcomes: int

    @classmethod
    def of(cls, weights: TauWeights) -> Self:
        """Return the message of the domain's value."""
        return cls(
            tau=tuple(weights.tau.tolist()),
            weight=tuple(weights.weight.tolist()),
            experiments=weights.experiments,
            outcomes=weights.outcomes,
        )

    def weights(self) -> TauWeights:
        """Return the domain's value."""
        return TauWeights(np.asarray(self.tau), np.asarray(self.weight), self.experiments, self.outcomes)


class SimulationPayload(ApiModel):
    """What answers a Simulation: the question, the version that is asked, and how much experiments differ."""

    spec: SimulationSpec
    registered_model: RegisteredModelName
    version: ModelVersion
    uncertainty: UncertaintyMessage
    weights: TauWeightsMessage


class SimulationResult(SimulationAnswer):
    """The answer, and the version that gave it."""

    registered_model: RegisteredModelName | None = None
    model_version: ModelVersion | None = None

    def value(self) -> JSON:
        """Return the value of the outcome."""
        content: JSON = present(self.model_dump(mode="json"))
        return content
