"""TwinModel: a population twin and its effect model, learned from past experiments."""

from typing import ClassVar

from pydantic import Field

from twin_operator.api.v1alpha1.resource import AGE, Column, Definition, Resource, condition_column
from twin_operator.api.v1alpha1.schema import Rule
from twin_operator.api.v1alpha1.twin_model_spec import TwinModelSpec
from twin_operator.api.v1alpha1.twin_model_status import TwinModelStatus


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
