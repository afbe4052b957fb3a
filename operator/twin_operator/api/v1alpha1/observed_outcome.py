"""The outcome that a Simulation is graded by, in each form that it is usually reported in."""

from typing import Annotated

from pydantic import ConfigDict, Field

from twin_operator.api.v1alpha1.fields import (
    QUANTITY_LIMIT,
    Confidence,
    Identifier,
    Quantity,
    WrittenTimestamp,
)
from twin_operator.api.v1alpha1.schema import ApiModel, Rule, rules


class ObservedOutcome(ApiModel):
    """The effect that was observed; it can be set once."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.standardError) || has(self.sampleSize) || (has(self.low) && has(self.high) && "
                "has(self.confidence))",
                "say how precise the effect is: write standardError, or low with high and confidence, or sampleSize",
            ),
            Rule(
                "has(self.low) == has(self.high) && has(self.low) == has(self.confidence)",
                "an interval needs low, high and confidence: write all three or none",
            ),
            Rule(
                "!has(self.standardError) || !has(self.low)",
                "write standardError or the interval, not both: they could contradict each other",
            ),
            Rule(
                "!has(self.low) || !has(self.high) || (self.low < self.high && self.low <= self.effect && "
                "self.effect <= self.high)",
                "low must be below high with effect between them: check the three numbers",
            ),
        )
    )

    experiment: Identifier = Field(
        description="Name of the experiment that gave the outcome. Several Simulations of one experiment count as one."
    )
    effect: Quantity = Field(
        description="Effect of arm against against as measured, in the outcome's units: 0.071 is 7.1 percentage points."
    )
    standard_error: Annotated[float, Field(gt=0, le=QUANTITY_LIMIT)] | None = Field(
        default=None, description="Standard error of effect."
    )
    low: Quantity | None = Field(default=None, description="Lower end of the interval of effect.")
    high: Quantity | None = Field(default=None, description="Upper end of the interval of effect.")
    confidence: Confidence | None = Field(default=None, description="Confidence of that interval, such as 0.95.")
    sample_size: Annotated[int, Field(ge=4, le=QUANTITY_LIMIT)] | None = Field(
        default=None,
        description="Units in both arms together. The standard error is worked out from it when neither it nor "
        "an interval is given.",
    )
    time: WrittenTimestamp | None = Field(
        default=None,
        description="When the outcome became known. Absent: when the operator first saw it. A time before the "
        "prediction "
        "was made marks it as hindsight, which does not count towards fidelity.",
    )
