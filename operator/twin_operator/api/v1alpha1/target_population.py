"""The population that a Simulation asks about: clauses that units meet, margins that they are matched to."""

from typing import Annotated

from pydantic import ConfigDict, Field

from twin_operator.api.v1alpha1.fields import (
    ColumnName,
    Label,
    Proportion,
    Quantity,
)
from twin_operator.api.v1alpha1.schema import LIST_ATOMIC, LIST_SET, ApiModel, Rule, list_map, rules
from twin_operator.domain.effects.population import Operator

_NUMBER = r"^[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][-+]?[0-9]+)?$"
LABEL_CHARACTERS = 4096
"""Of the labels in one clause or margin together.

With the limits of lists and labels alone a Simulation has 256 KB, and the API server decodes each change of an object
twice, one after the other, before any watch of its kind has it: fifteen such changes a second delay the Simulations of
all namespaces by many seconds (tests/slow/test_tenants.py).
"""


class Clause(ApiModel):
    """A condition that units must meet."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.operator in ['In', 'NotIn'] || size(self.values) == 1",
                "LessThan, LessThanOrEqual, GreaterThan and GreaterThanOrEqual compare with one value: write values "
                "with one number, and a second clause for a second bound",
                field_path=".values",
            ),
            Rule(
                f"self.operator in ['In', 'NotIn'] || self.values.all(v, v.matches('{_NUMBER}'))",
                "LessThan, LessThanOrEqual, GreaterThan and GreaterThanOrEqual compare numbers: write a number in "
                'quotes, such as values: ["6"], or use In or NotIn for labels',
                field_path=".values",
            ),
            Rule(
                f"self.values.map(v, size(v)).sum() <= {LABEL_CHARACTERS}",
                f"the values of a clause have at most {LABEL_CHARACTERS} characters together: write fewer, or NotIn "
                "with the others",
                field_path=".values",
            ),
        )
    )

    feature: ColumnName = Field(description="Feature of the model, by the name in its columns.features.")
    operator: Operator = Field(
        description="In or NotIn for labels (or exact numbers); LessThan, LessThanOrEqual, GreaterThan or "
        "GreaterThanOrEqual "
        "for numbers. A unit whose value is missing meets none of them but NotIn."
    )
    values: Annotated[tuple[Label, ...], Field(min_length=1, max_length=64, json_schema_extra=LIST_SET)] = Field(
        description="Labels, any of which may match (In) or none (NotIn), of at most 4,096 characters together; or one "
        "number, in quotes."
    )


class Margin(ApiModel):
    """The distribution of one feature in the population asked about."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.shares) != has(self.mean)",
                "write either shares (for a categorical feature) or mean (for a numeric one), not both and not neither",
            ),
            Rule(
                "!has(self.shares) || self.shares.all(level, size(level) >= 1 && size(level) <= 256)",
                "a level in shares is a label of 1 to 256 characters: write it as in the data",
                field_path=".shares",
            ),
            Rule(
                f"!has(self.shares) || self.shares.map(level, size(level)).sum() <= {LABEL_CHARACTERS}",
                f"the levels in shares have at most {LABEL_CHARACTERS} characters together: give their units shorter "
                "labels in the data",
                field_path=".shares",
            ),
            Rule(
                "!has(self.shares) || (self.shares.map(level, self.shares[level]).sum() > 0.999999 && "
                "self.shares.map(level, self.shares[level]).sum() < 1.000001)",
                "shares must sum to 1: write the share of every level that occurs, such as {Web: 0.6, Phone: 0.4}",
                field_path=".shares",
            ),
        )
    )

    feature: ColumnName = Field(description="Feature of the model, by the name in its columns.features.")
    shares: Annotated[dict[str, Proportion], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="For a categorical feature: the share of each level in the population, summing to 1, such as "
        "{Web: 0.6, Phone: 0.4}. A level left out has share 0.",
    )
    mean: Quantity | None = Field(
        default=None,
        description="For a numeric feature: its mean in the population, inside the range of the model's data.",
    )


class TargetPopulation(ApiModel):
    """The units that the intervention is planned for, described from the model's own rows."""

    size: Annotated[int, Field(ge=1, le=10_000_000_000)] | None = Field(
        default=None,
        description="Units in the planned roll-out. With it, status has totals for that many units and what "
        "they can detect.",
    )
    where: Annotated[tuple[Clause, ...], Field(max_length=16, json_schema_extra=LIST_ATOMIC)] = Field(
        default=(), description="Conditions that units must meet, all of them. Absent: every unit of the model's data."
    )
    match: Annotated[tuple[Margin, ...], Field(max_length=16, json_schema_extra=list_map("feature"))] = Field(
        default=(),
        description="Distribution of features in the population where it differs from the model's data: the rows that "
        "where left are reweighted, as little as possible, until these shares and means hold (entropy balancing). "
        "One entry a feature: "
        "shares for a categorical one, mean for a numeric one.",
    )
