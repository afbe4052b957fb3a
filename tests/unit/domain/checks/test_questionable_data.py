"""What a careful reader of the data would ask about is a warning, and usual data has none."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, SITES, Table, trial, twin
from twin_operator.domain.checks.questionable_data import check_questionable_data
from twin_operator.domain.table.columns import Columns, Feature, FeatureType
from twin_operator.domain.table.experiment_data import prepare

CLUSTERED = replace(COLUMNS, cluster="household")
WEIGHTED = replace(COLUMNS, weight="worth")


def warnings(table: Table, columns: Columns = COLUMNS) -> tuple[str, ...]:
    return check_questionable_data(prepare(table, columns)).warnings


def with_feature(name: str, kind: FeatureType) -> Columns:
    return replace(COLUMNS, features=(*COLUMNS.features, Feature(name, kind)))


@pytest.mark.parametrize("columns", [COLUMNS, BINARY, SITES, CLUSTERED])
@pytest.mark.parametrize("seed", range(3))
def test_usual_data_has_no_warning(columns: Columns, seed: int) -> None:
    assert warnings(trial(seed=seed, sites=4), columns) == ()


def test_arms_that_look_alike_stay_apart_with_a_warning() -> None:
    """Merging would change what an experiment compared, and the user may mean two arms: only the user knows."""
    table = trial(rows=400)
    letters = np.flatnonzero(table["arm"] == "letter")
    table["arm"][letters[::2]] = "letter\u200b"
    trained = twin(table)
    assert [effect.arm for effect in trained.effects] == ["letter", "letter\u200b"]
    assert (
        'Column "arm" has 1 pair of different labels that resemble each other, such as "letter" and "letter\\u200b": '
        "correct the data where they mean the same."
    ) in trained.warnings


@pytest.mark.parametrize(
    ("column", "other", "shown"),
    [("region", "West", '"West" and "west"'), ("site", "site\u00ad 01", r'"site 01" and "site\xad 01"')],
)
def test_labels_of_features_and_experiments_are_compared_too(column: str, other: str, shown: str) -> None:
    table = trial(sites=3)
    table[column] = np.where(np.arange(600) % 12 == 1, other, table[column]).astype(object)
    (sentence,) = warnings(table, SITES)
    assert f'Column "{column}" has 1 pair of different labels that resemble each other, such as {shown}:' in sentence


def test_labels_that_few_rows_share_are_counted_and_not_shown() -> None:
    names = [f"{'Jane' if row % 3 else 'JANE'} {row % 400}" for row in range(600)]
    columns = with_feature("patient", FeatureType.CATEGORICAL)
    (sentence,) = warnings({**trial(), "patient": np.array(names, dtype=object)}, columns)
    assert sentence.startswith('Column "patient" has 133 pairs of different labels that resemble each other: ')


IDENTIFIERS = {
    "labels": (np.array([f"customer {row}" for row in range(600)], dtype=object), FeatureType.CATEGORICAL),
    "labels of nine rows in ten": (
        np.array([f"customer {max(row, 50)}" for row in range(600)], dtype=object),
        FeatureType.CATEGORICAL,
    ),
    "numbers": (10_000_000 + 2_003 * np.arange(600), FeatureType.NUMERIC),
    "numbers beyond 2^53": (2**60 + np.arange(600) * 1_000, FeatureType.NUMERIC),
}
MEASURES = {
    "labels of three rows each": (
        np.array([f"street {row // 3}" for row in range(600)], dtype=object),
        FeatureType.CATEGORICAL,
    ),
    "labels of four rows in five": (
        np.array([f"street {max(row, 120)}" for row in range(600)], dtype=object),
        FeatureType.CATEGORICAL,
    ),
    "running numbers": (np.arange(600), FeatureType.NUMERIC),
    "whole numbers, some twice": (np.maximum(np.arange(600), 1) * 2_003, FeatureType.NUMERIC),
    "fractions": (np.arange(600) * 2_003.5, FeatureType.NUMERIC),
    "labels known in forty rows": (
        np.array([f"street {row}" if row < 40 else "" for row in range(600)], dtype=object),
        FeatureType.CATEGORICAL,
    ),
}


@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_a_feature_that_looks_like_an_identifier_is_named(kind: str) -> None:
    values, feature_type = IDENTIFIERS[kind]
    (sentence,) = warnings({**trial(), "code": values}, with_feature("code", feature_type))
    assert sentence.startswith('Feature "code": a different value in nearly every row resembles an identifier')


def test_labels_of_an_identifier_are_not_compared() -> None:
    names = [f"customer {row}" if row % 2 else f"CUSTOMER {row + 1}" for row in range(600)]
    (sentence,) = warnings(
        {**trial(), "code": np.array(names, dtype=object)}, with_feature("code", FeatureType.CATEGORICAL)
    )
    assert "resembles an identifier" in sentence


@pytest.mark.parametrize("kind", MEASURES)
def test_a_feature_that_measures_something_is_not_questioned(kind: str) -> None:
    values, feature_type = MEASURES[kind]
    assert warnings({**trial(), "code": values}, with_feature("code", feature_type)) == ()


def repeated(table: Table, rows: int) -> Table:
    """The table with its first rows once more."""
    return {name: np.concatenate([values, values[:rows]]) for name, values in table.items()}


def zero_inflated(rows: int = 2_000) -> Table:
    """Few buyers; those who buy nothing are described by region and arm alone."""
    table = trial(rows)
    table["spend"] = np.where(np.arange(rows) % 3 == 0, table["spend"], 0.0)
    return table


def rounded(rows: int = 2_000) -> Table:
    """Ages that a good part of the units share with others."""
    table = trial(rows)
    return {**table, "age": np.round(table["age"], 2)}


def points(rows: int = 3_000) -> Table:
    """A count of a thousand values and rare events: some units are equal by chance."""
    rng = np.random.default_rng(0)
    return {**trial(rows), "age": rng.integers(0, 1_000, rows).astype(float), "bought": (rng.random(rows) < 0.05) * 1.0}


ONLY_AGE = replace(BINARY, features=(Feature("age", FeatureType.NUMERIC),))
ONLY_REGION = replace(COLUMNS, features=(Feature("region", FeatureType.CATEGORICAL),))
REPEATS = {
    "a file that was loaded twice": (repeated(trial(), 600), COLUMNS),
    "one row in twenty": (repeated(trial(), 30), COLUMNS),
    "events of units with a measured feature": (repeated(trial(), 30), BINARY),
    "quantities that are mostly zero": (repeated(zero_inflated(), 2_000), ONLY_REGION),
    "clusters, by the outcome": (repeated(trial(), 30), CLUSTERED),
    "numbers that several units share": (repeated(rounded(), 200), BINARY),
}


def of_households() -> Table:
    """Four persons of a household have the arm and the features of the household, and nobody of most buys."""
    table, household = trial(), np.arange(600) // 4
    rng = np.random.default_rng(0)
    table["age"], table["visits"] = rng.normal(50, 10, 150)[household], household * 1.0
    table["region"] = np.full(600, "west", dtype=object)
    table["arm"] = np.where(household % 2 == 1, "letter", "none").astype(object)
    table["bought"] = (np.arange(600) % 37 == 0) * 1.0
    return table


NO_REPEATS = {
    "one row in two hundred": (repeated(trial(), 3), COLUMNS),
    "few values everywhere": (trial(), replace(ONLY_REGION, outcome="bought", outcome_type=BINARY.outcome_type)),
    "zeros": (zero_inflated(), ONLY_REGION),
    "counts": (points(), ONLY_AGE),
    "numbers that several units share": (rounded(), BINARY),
    "members of a named cluster": (of_households(), replace(BINARY, cluster="household")),
}


@pytest.mark.parametrize("kind", REPEATS)
def test_rows_that_repeat_others_are_counted(kind: str) -> None:
    (sentence,) = warnings(*REPEATS[kind])
    assert "repeat another row in every column" in sentence


@pytest.mark.parametrize("kind", NO_REPEATS)
def test_rows_that_are_equal_by_chance_are_not_questioned(kind: str) -> None:
    assert warnings(*NO_REPEATS[kind]) == ()


def weighted(heaviest: float, arm: str = "letter") -> Table:
    """Rows of weight one, and one of the arm that has this share of the arm's weight."""
    table = trial()
    worth = np.ones(600)
    worth[np.flatnonzero(table["arm"] == arm)[0]] = 299 * heaviest / (1 - heaviest)
    return {**table, "worth": worth}


def test_a_row_with_a_large_share_of_the_weight_is_counted_by_arm() -> None:
    (sentence,) = warnings(weighted(0.12), WEIGHTED)
    assert 'One row has more than 5% of the weight of an arm: "letter" (12%).' in sentence
    assert warnings(weighted(0.04), WEIGHTED) == ()


def clustered(clusters: int, largest: int) -> Table:
    """Clusters that have one arm each, of which one has `largest` rows."""
    table = trial()
    household = np.where(np.arange(600) < largest, 0, 1 + np.arange(600) % (clusters - 1))
    return {**table, "household": household, "arm": np.where(household % 2 == 1, "letter", "none").astype(object)}


def test_a_cluster_with_a_large_share_of_the_weight_is_counted_where_there_are_many() -> None:
    (sentence,) = warnings(clustered(100, largest=60), CLUSTERED)
    assert "One cluster has more than 5%" in sentence
    assert '"none"' in sentence
    assert warnings(clustered(60, largest=60), CLUSTERED) == ()
