"""Messages about Simulations: the payload of the task, and the result."""

from dataclasses import asdict
from typing import Annotated, Final, Self

import numpy as np
from pydantic import PlainSerializer

from twin_operator.api.v1alpha1 import SimulationSpec
from twin_operator.api.v1alpha1.fields import ModelVersion, RegisteredModelName
from twin_operator.api.v1alpha1.schema import present
from twin_operator.api.v1alpha1.simulation_status import SimulationAnswer
from twin_operator.domain.effects.answers import Evidence
from twin_operator.domain.twin import TauWeights
from twin_operator.services.runs.message import Message, WireUncertainty
from twin_operator.services.runs.run import JSON

WireEvidence = Annotated[Evidence, PlainSerializer(asdict)]
"""Evidence, under the domain's names of its fields."""


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
