"""A TwinModel's spec in the domain's terms, and which of its fields make another version."""

from typing import Any

import pytest

from tests.unit.services.trainings import COLUMNS, LEARNER, SPEC
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
from twin_operator.services.runs.twin_spec import (
    columns_digest,
    columns_of,
    learner_of,
    source_of,
    spec_digest,
    uncertainty_of,
)

FULL = {
    **COLUMNS,
    "outcome": {"name": "bought", "type": "Binary", "better": "Lower", "positive": "yes"},
    "cluster": "household",
    "weight": "weight",
    "propensity": "chance",
    "assignment": "Observational",
    "time": "day",
}


def with_columns(**changes: Any) -> JSON:
    return {**SPEC, "columns": {**COLUMNS, **changes}}


def test_columns_that_are_left_out_are_none() -> None:
    features = (Feature("age", FeatureType.NUMERIC), Feature("region", FeatureType.CATEGORICAL))
    assert columns_of(SPEC) == Columns(
        features, "arm", "none", "spend", OutcomeType.CONTINUOUS, Better.HIGHER, experiment="site"
    )


def test_every_column_has_its_part() -> None:
    columns = columns_of({**SPEC, "columns": FULL})
    assert (columns.outcome, columns.outcome_type, columns.positive) == ("bought", OutcomeType.BINARY, "yes")
    assert (columns.better, columns.assignment) == (Better.LOWER, Assignment.OBSERVATIONAL)
    assert (columns.experiment, columns.cluster, columns.time) == ("site", "household", "day")
    assert (columns.weight, columns.propensity) == ("weight", "chance")


def test_learner_and_uncertainty_are_taken_as_they_are() -> None:
    spec = {
        "learner": {"algorithm": "RandomForest", "folds": 4, "seed": 9},
        "uncertainty": {"confidence": 0.9, "betweenExperimentScale": 0.5, "acceptPrior": True},
    }
    assert learner_of(spec) == Learner(Algorithm.RANDOM_FOREST, 4, 9)
    assert uncertainty_of(spec) == Uncertainty(0.9, 0.5, accept_prior=True)


def test_each_column_is_read_once_and_labels_are_read_as_text() -> None:
    source = source_of({**SPEC, "columns": FULL})
    assert set(source.text_columns) == {"region", "arm", "site", "household"}
    assert sorted(source.columns) == sorted(
        ["region", "arm", "site", "household", "age", "bought", "weight", "chance", "day"]
    )


def test_a_feature_that_is_the_experiment_too_is_read_once() -> None:
    columns = {**COLUMNS, "experiment": "region"}
    assert list(source_of({**SPEC, "columns": columns}).columns).count("region") == 1


def test_the_address_its_format_and_its_digest_are_handed_on() -> None:
    source = source_of({**SPEC, "data": {"uri": "s3://b/a", "format": "Parquet", "sha256": "abc"}})
    assert (source.uri, source.format, source.sha256) == ("s3://b/a", "Parquet", "abc")


@pytest.mark.parametrize(
    "changed",
    [
        {**SPEC, "data": {"uri": "memory://other.csv"}},
        {**SPEC, "learner": {**LEARNER, "folds": 3}},
        with_columns(experiment=None),
    ],
    ids=["data", "learner", "columns"],
)
def test_what_a_bank_depends_on_is_in_the_digest_of_the_spec(changed: JSON) -> None:
    assert spec_digest(changed) != spec_digest(SPEC)


@pytest.mark.parametrize(
    "changed",
    [
        {**SPEC, "uncertainty": {"confidence": 0.8}},
        {**SPEC, "retraining": {"cooldown": "1h"}},
        {**SPEC, "suspend": True},
        {**SPEC, "learner": dict(reversed(LEARNER.items()))},
    ],
    ids=["uncertainty", "retraining", "suspend", "order"],
)
def test_what_a_bank_does_not_depend_on_is_not_in_the_digest_of_the_spec(changed: JSON) -> None:
    assert spec_digest(changed) == spec_digest(SPEC)


def test_the_digest_of_the_spec_starts_with_that_of_the_columns() -> None:
    assert spec_digest(SPEC).startswith(f"{columns_digest(SPEC)}-")
    assert columns_digest(SPEC) == columns_digest({**SPEC, "learner": {**LEARNER, "folds": 3}})
    assert columns_digest(SPEC) != columns_digest(with_columns(experiment=None))
