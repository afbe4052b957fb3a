"""Simulation: what would this intervention do to this population?"""

from typing import ClassVar

from pydantic import Field

from twin_operator.api.v1alpha1.resource import AGE, Column, Definition, Resource, condition_column
from twin_operator.api.v1alpha1.schema import Rule, unchanged
from twin_operator.api.v1alpha1.simulation_spec import SimulationSpec
from twin_operator.api.v1alpha1.simulation_status import SimulationStatus

_FINISHED = "has(oldSelf.status) && oldSelf.status.phase in ['Succeeded', 'Failed']"
_FAILED = "has(oldSelf.status) && oldSelf.status.phase == 'Failed'"
_SAME_TTL = unchanged("self.spec.ttlSecondsAfterFinished", "oldSelf.spec.ttlSecondsAfterFinished")
_SAME_OUTCOME = unchanged("self.spec.observed", "oldSelf.spec.observed")


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
