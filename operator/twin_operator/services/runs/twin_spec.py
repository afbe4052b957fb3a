"""A TwinModel's spec in the domain's terms, and its digests. Read by operator and workers alike."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from twin_operator.domain.table.columns import (
    Algorithm,
    Assignment,
    Better,
    Columns,
    Feature,
    FeatureType,
    Learner,
    OutcomeType,
    Uncertainty,
)
from twin_operator.services.runs.run import JSON

ENGINE = "1"  # raised when the same data and spec would give another bank
DIGEST_LENGTH = 32  # hex digits: 128 bits


@dataclass(frozen=True)
class Source:
    """What to read: an address, its format, the wanted digest, and the columns.

    Attributes:
        text_columns: those of `columns` that are labels, whatever they look like.
    """

    uri: str
    format: str | None
    sha256: str | None
    columns: Sequence[str]
    text_columns: Sequence[str]


def columns_of(spec: JSON) -> Columns:
    """Translate `spec.columns` of a TwinModel, as JSON, into the domain's terms."""
    columns = spec["columns"]
    treatment, outcome = columns["treatment"], columns["outcome"]
    return Columns(
        features=tuple(Feature(f["name"], FeatureType(f["type"])) for f in columns["features"]),
        treatment=treatment["name"],
        control=treatment["control"],
        outcome=outcome["name"],
        outcome_type=OutcomeType(outcome["type"]),
        better=Better(outcome["better"]),
        positive=outcome.get("positive"),
        experiment=columns.get("experiment"),
        cluster=columns.get("cluster"),
        weight=columns.get("weight"),
        propensity=columns.get("propensity"),
        assignment=Assignment(columns.get("assignment", "Randomized")),
        time=columns.get("time"),
    )


def learner_of(spec: JSON) -> Learner:
    """Translate `spec.learner`."""
    learner = spec["learner"]
    return Learner(Algorithm(learner["algorithm"]), learner["folds"], learner["seed"])


def uncertainty_of(spec: JSON) -> Uncertainty:
    """Translate `spec.uncertainty`."""
    value = spec["uncertainty"]
    return Uncertainty(value["confidence"], value["betweenExperimentScale"], value["acceptPrior"])


def source_of(spec: JSON) -> Source:
    """Return what to read for a TwinModel's spec."""
    columns = columns_of(spec)
    labels = [f.name for f in columns.features if f.type is FeatureType.CATEGORICAL]
    labels += [columns.treatment, *(name for name in (columns.experiment, columns.cluster) if name)]
    others = [columns.outcome, columns.weight, columns.propensity, columns.time]
    numeric = [f.name for f in columns.features if f.type is FeatureType.NUMERIC]
    names = list(dict.fromkeys([*labels, *numeric, *(name for name in others if name)]))
    data = spec["data"]
    return Source(data["uri"], data.get("format"), data.get("sha256"), names, labels)


def spec_digest(spec: JSON) -> str:
    """Return the digest of all in a TwinModel's spec that a bank depends on, but for the data's bytes.

    `spec.uncertainty` is not in it: a Simulation reads it anew.
    The columns' own digest stands first: a change of columns alone trains anew without a gate.
    """
    relevant = {key: spec.get(key) for key in ("data", "learner")}
    return f"{columns_digest(spec)}-{_digest(relevant)}"


def columns_digest(spec: JSON) -> str:
    """Return the digest of `spec.columns`."""
    return _digest(spec["columns"])


def _digest(value: JSON) -> str:
    content = json.dumps([ENGINE, value], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
