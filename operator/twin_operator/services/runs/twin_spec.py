"""A TwinModel's spec in the domain's terms, and its digests. For operator and workers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.domain.table.columns import Columns, Feature, FeatureType, Learner, Uncertainty
from twin_operator.services.runs.run import JSON

# Raised when the same data and spec would give another bank, but not for a correction of how files are read: every twin
# would be trained again on the upgrade, and only data that had been read wrongly would give another bank.
ENGINE = "1"
DIGEST_LENGTH = 32  # hex digits: 128 bits


class Part(StrEnum):
    """The part that a column plays, which decides how its cells are read whatever their type in a file is."""

    LABEL = "Label"
    NUMBER = "Number"
    TIME = "Time"


@dataclass(frozen=True)
class Source:
    """What to read: an address, its format, the expected digest, and the columns, each with the part that it plays."""

    uri: str
    format: str | None
    sha256: str | None
    columns: Mapping[str, Part]


def columns_of(spec: TwinModelSpec) -> Columns:
    """Translate `spec.columns` into the domain's terms."""
    columns, treatment, outcome = spec.columns, spec.columns.treatment, spec.columns.outcome
    return Columns(
        features=tuple(Feature(feature.name, feature.type) for feature in columns.features),
        treatment=treatment.name,
        control=treatment.control,
        outcome=outcome.name,
        outcome_type=outcome.type,
        better=outcome.better,
        positive=outcome.positive,
        experiment=columns.experiment,
        cluster=columns.cluster,
        weight=columns.weight,
        propensity=columns.propensity,
        assignment=columns.assignment,
        time=columns.time,
    )


def learner_of(spec: TwinModelSpec) -> Learner:
    """Translate `spec.learner`."""
    return Learner(spec.learner.algorithm, spec.learner.folds, spec.learner.seed)


def uncertainty_of(spec: TwinModelSpec) -> Uncertainty:
    """Translate `spec.uncertainty`."""
    value = spec.uncertainty
    return Uncertainty(value.confidence, value.between_experiment_scale, value.accept_prior)


def source_of(spec: TwinModelSpec) -> Source:
    """Return what to read for a TwinModel's spec."""
    return Source(spec.data.uri, spec.data.format, spec.data.sha256, parts_of(columns_of(spec)))


def parts_of(columns: Columns) -> Mapping[str, Part]:
    """Return the part of each column; one that has labels in any of its parts is read as labels."""
    event = columns.outcome if columns.binary else None
    labels = [*columns.of_type(FeatureType.CATEGORICAL), columns.treatment, columns.experiment, columns.cluster, event]
    numbers = [*columns.of_type(FeatureType.NUMERIC), columns.outcome, columns.weight, columns.propensity]
    parts = {Part.LABEL: labels, Part.NUMBER: numbers, Part.TIME: [columns.time]}
    chosen: dict[str, Part] = {}
    for part, names in parts.items():
        for name in names:
            if name is not None:
                chosen.setdefault(name, part)
    return chosen


def spec_digest(spec: TwinModelSpec) -> str:
    """Return the digest of the fields of a spec that a bank depends on, except for the bytes of the data.

    `spec.uncertainty` is not part of it: a Simulation reads it when it is answered.
    The digest of the columns comes first: changed columns alone are trained without a gate.
    """
    return f"{columns_digest(spec)}-{_digest({'data': spec.data.manifest(), 'learner': spec.learner.manifest()})}"


def columns_digest(spec: TwinModelSpec) -> str:
    """Return the digest of `spec.columns`."""
    return _digest(spec.columns.manifest())


def _digest(value: JSON) -> str:
    """Digest the JSON that the API server stores: with defaults, without absent fields."""
    content = json.dumps([ENGINE, value], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
