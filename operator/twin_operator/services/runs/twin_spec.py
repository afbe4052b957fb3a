"""A TwinModel's spec in the domain's terms, and its digests. For operator and workers."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.domain.table.columns import Columns, Feature, FeatureType, Learner, Uncertainty
from twin_operator.services.runs.run import JSON

ENGINE = "1"  # raised when the same data and spec would give another bank
DIGEST_LENGTH = 32  # hex digits: 128 bits


@dataclass(frozen=True)
class Source:
    """What to read: an address, its format, the expected digest, and the columns.

    Attributes:
        text_columns: those of `columns` that are read as text, also where every value is a number.
    """

    uri: str
    format: str | None
    sha256: str | None
    columns: Sequence[str]
    text_columns: Sequence[str]


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
    columns = columns_of(spec)
    labels = [f.name for f in columns.features if f.type is FeatureType.CATEGORICAL]
    labels += [columns.treatment, *(name for name in (columns.experiment, columns.cluster) if name)]
    others = [columns.outcome, columns.weight, columns.propensity, columns.time]
    numeric = [f.name for f in columns.features if f.type is FeatureType.NUMERIC]
    names = list(dict.fromkeys([*labels, *numeric, *(name for name in others if name)]))
    return Source(spec.data.uri, spec.data.format, spec.data.sha256, names, labels)


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
