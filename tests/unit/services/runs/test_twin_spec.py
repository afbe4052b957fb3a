"""A TwinModel's spec in the domain's terms, and which of its fields make another version."""

from typing import Any

import pytest

from tests.unit.services.trainings import COLUMNS, LEARNER, SPEC
from twin_operator.api.v1alpha1 import TwinModelSpec
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
    Part,
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


def spec(**changes: Any) -> TwinModelSpec:
    return TwinModelSpec.model_validate({**SPEC, **changes})


def with_columns(**changes: Any) -> JSON:
    return {"columns": {**COLUMNS, **changes}}


def test_columns_that_are_left_out_are_none() -> None:
    features = (Feature("age", FeatureType.NUMERIC), Feature("region", FeatureType.CATEGORICAL))
    assert columns_of(spec()) == Columns(
        features, "arm", "none", "spend", OutcomeType.CONTINUOUS, Better.HIGHER, experiment="site"
    )


def test_every_column_has_its_part() -> None:
    columns = columns_of(spec(columns=FULL))
    assert (columns.outcome, columns.outcome_type, columns.positive) == ("bought", OutcomeType.BINARY, "yes")
    assert (columns.better, columns.assignment) == (Better.LOWER, Assignment.OBSERVATIONAL)
    assert (columns.experiment, columns.cluster, columns.time) == ("site", "household", "day")
    assert (columns.weight, columns.propensity) == ("weight", "chance")


def test_learner_and_uncertainty_are_taken_as_they_are() -> None:
    wanted = spec(
        learner={"algorithm": "RandomForest", "folds": 4, "seed": 9},
        uncertainty={"confidence": 0.9, "betweenExperimentScale": 0.5, "acceptPrior": True},
    )
    assert learner_of(wanted) == Learner(Algorithm.RANDOM_FOREST, 4, 9)
    assert uncertainty_of(wanted) == Uncertainty(0.9, 0.5, accept_prior=True)


def test_each_column_is_read_once_by_the_part_that_it_plays() -> None:
    labels, numbers = ("region", "arm", "site", "household", "bought"), ("age", "weight", "chance")
    assert dict(source_of(spec(columns=FULL)).columns) == {
        **dict.fromkeys(labels, Part.LABEL),
        **dict.fromkeys(numbers, Part.NUMBER),
        "day": Part.TIME,
    }
    assert source_of(spec()).columns["spend"] is Part.NUMBER


def test_a_feature_that_is_the_experiment_too_is_read_once() -> None:
    columns = {**COLUMNS, "experiment": "region"}
    assert list(source_of(spec(columns=columns)).columns).count("region") == 1


def test_the_address_its_format_and_its_digest_are_handed_on() -> None:
    source = source_of(spec(data={"uri": "s3://b/a", "format": "Parquet", "sha256": "0" * 64}))
    assert (source.uri, source.format, source.sha256) == ("s3://b/a", "Parquet", "0" * 64)


@pytest.mark.parametrize(
    "changed",
    [
        {"data": {"uri": "s3://shop/other.csv"}},
        {"learner": {**LEARNER, "folds": 3}},
        with_columns(experiment=None),
    ],
    ids=["data", "learner", "columns"],
)
def test_what_a_bank_depends_on_is_in_the_digest_of_the_spec(changed: JSON) -> None:
    assert spec_digest(spec(**changed)) != spec_digest(spec())


@pytest.mark.parametrize(
    "changed",
    [
        {"uncertainty": {"confidence": 0.8}},
        {"retraining": {"cooldown": "1h"}},
        {"suspend": True},
        {"learner": dict(reversed(LEARNER.items()))},
    ],
    ids=["uncertainty", "retraining", "suspend", "order"],
)
def test_what_a_bank_does_not_depend_on_is_not_in_the_digest_of_the_spec(changed: JSON) -> None:
    assert spec_digest(spec(**changed)) == spec_digest(spec())


def test_the_digest_of_the_spec_starts_with_that_of_the_columns() -> None:
    assert spec_digest(spec()).startswith(f"{columns_digest(spec())}-")
    assert columns_digest(spec()) == columns_digest(spec(learner={**LEARNER, "folds": 3}))
    assert columns_digest(spec()) != columns_digest(spec(**with_columns(experiment=None)))


SMALL = {"data": {"uri": "s3://shop/past.csv"}, "columns": {**COLUMNS, "assignment": "Randomized"}, "learner": LEARNER}
LARGE = {
    "data": {"uri": "s3://shop/past", "format": "Parquet", "sha256": "0" * 64},
    "columns": FULL,
    "learner": LEARNER,
}


@pytest.mark.parametrize(
    ("stored", "digest"),
    [
        (SMALL, "a6c4ea723cf834218c62942e968f7db7-6d7427993688ed683f5c55c4c01c47f4"),
        (LARGE, "b7f3b276322de7679042b406bb358250-bc86aa2cbe956b4a7fda83aa4ad5ab80"),
    ],
    ids=["without optional fields", "with optional fields"],
)
def test_the_digest_is_that_of_earlier_releases_which_stored_versions_carry(stored: JSON, digest: str) -> None:
    assert spec_digest(TwinModelSpec.model_validate(stored)) == digest


def test_a_default_that_the_api_server_fills_in_changes_no_digest() -> None:
    assert spec_digest(spec(**with_columns(assignment="Randomized"))) == spec_digest(spec())
    assert spec_digest(spec(learner={})) == spec_digest(
        spec(learner={"algorithm": "GradientBoosting", "folds": 5, "seed": 0})
    )
