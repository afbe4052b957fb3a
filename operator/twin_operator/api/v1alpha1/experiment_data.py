"""The data a twin is learned from: where its rows are, and what each column means."""

from typing import Annotated

from pydantic import ConfigDict, Field

from twin_operator.api.v1alpha1.enums import DataFormat
from twin_operator.api.v1alpha1.fields import (
    ColumnName,
    Label,
)
from twin_operator.api.v1alpha1.schema import ApiModel, Rule, list_map, rules
from twin_operator.domain.table.columns import Assignment, Better, FeatureType, OutcomeType

FEATURES_LIMIT = 256
"""Columns that units are described by; wider tables are for feature selection before, not for a twin."""


class ExperimentSource(ApiModel):
    """Where the rows of past experiments are read from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.format) || self.uri.matches(r'\\.(csv|csv\\.gz|parquet)$')",
                "format cannot be derived from the uri's suffix: write format: CSV or format: Parquet",
                field_path=".format",
                reason="FieldValueRequired",
            ),
            Rule(
                "!self.uri.contains('::')",
                "uri must be one address: write it without '::', chained file systems are not opened",
                field_path=".uri",
            ),
            Rule(
                "!self.uri.matches('^[^/]*//[^/@]*:[^/@]*@')",
                "uri must not hold a password: give credentials to the worker pool, by its template's env or identity",
                field_path=".uri",
            ),
        )
    )

    uri: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^(file|s3|gs|abfs|abfss|https?)://[^\s]+$")] = (
        Field(
            description="Address of one file: file:///data/x.csv, s3://, gs://, abfs:// or https://. It must begin "
            "with an "
            "address on the installation's allow list (data.allow), and workers must be able to read it with "
            "the credentials of their pool."
        )
    )
    format: DataFormat | None = Field(
        default=None,
        description="CSV (plain or .gz) or Parquet. Absent: by the suffix .csv, .csv.gz or .parquet.",
    )
    sha256: Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="Digest of the file as sha256sum prints it. Other bytes are refused; changing it asks for a "
        "retraining.",
    )


class FeatureColumn(ApiModel):
    """A column that describes a unit as it was before the experiment."""

    name: ColumnName = Field(description="Name of the column, as in the file's header.")
    type: FeatureType = Field(
        description="Numeric (compared by size, may have missing values) or Categorical (a label, compared by "
        "equality)."
    )


class TreatmentColumn(ApiModel):
    """The column that says which arm a unit was in."""

    name: ColumnName = Field(description="Name of the column, as in the file's header.")
    control: Label = Field(
        description="The value that means untreated, such as No E-Mail. Every other value of the column is an arm."
    )


class OutcomeColumn(ApiModel):
    """The column that says how it went."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.positive) || self.type == 'Binary'",
                "positive names a level of a Binary outcome: write type: Binary, or leave positive out",
                field_path=".positive",
            )
        )
    )

    name: ColumnName = Field(description="Name of the column, as in the file's header.")
    type: OutcomeType = Field(
        description="Binary (two levels; effects are differences of probability) or Continuous (effects are "
        "differences of means)."
    )
    better: Better = Field(description="Higher when more of the outcome is wanted, Lower when less is.")
    positive: Label | None = Field(
        default=None,
        description="The level of a Binary outcome that counts as 1, such as Yes. Absent: 1, true or Yes.",
    )


class Columns(ApiModel):
    """What each column of the file means."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.treatment.name != self.outcome.name",
                "treatment and outcome must be two columns: name the column that each is in",
            ),
            Rule(
                "!self.features.exists(f, f.name == self.treatment.name || f.name == self.outcome.name)",
                "features must not contain the treatment or the outcome: leave those columns out of features",
                field_path=".features",
            ),
            Rule(
                "!has(self.propensity) || !self.features.exists(f, f.name == self.propensity)",
                "features must not contain the propensity, which gives the arm away: leave that column out of features",
                field_path=".features",
            ),
        )
    )

    features: Annotated[
        tuple[FeatureColumn, ...], Field(min_length=1, max_length=FEATURES_LIMIT, json_schema_extra=list_map("name"))
    ] = Field(
        description="What was known of a unit before it was treated; Simulations select and reweight populations "
        "by these. "
        "A column measured after the treatment does not belong here: it would leak the effect."
    )
    treatment: TreatmentColumn = Field(description="Which arm each unit was in, and which arm is the control.")
    outcome: OutcomeColumn = Field(description="What was measured afterwards, and which way is better.")
    experiment: ColumnName | None = Field(
        default=None,
        description="Column that says which past experiment a row is from, such as a site or a period. Several "
        "experiments let the twin "
        "learn how much effects differ from one to the next. Absent: all rows are one experiment.",
    )
    cluster: ColumnName | None = Field(
        default=None,
        description="Column with the randomised unit when that is not the row, such as a household, a school or "
        "a practice. "
        "Standard errors then allow for units that resemble each other.",
    )
    weight: ColumnName | None = Field(default=None, description="Column with sampling weights, zero or larger.")
    propensity: ColumnName | None = Field(
        default=None,
        description="Column with the known probability that the unit got the arm it did get, above 0 and at most 1.",
    )
    assignment: Assignment = Field(
        default=Assignment.RANDOMIZED,
        description="How units came to their arms. Randomized: by chance within each experiment, which is checked. "
        "Observational: not by chance; the propensity is estimated and the overlap of the arms is checked.",
    )
    time: ColumnName | None = Field(
        default=None, description="Column with the time at which a unit was assigned. retraining.maxDataAge needs it."
    )
