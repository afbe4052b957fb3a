"""Outcome models never see the rows that they are asked about, and give way to the mean where they are no better."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from tests.unit.domain.tables import BINARY, COLUMNS, LINEAR, trial
from twin_operator.domain.learning.cross_fitting import OutcomeModels, assign_folds, cross_fit
from twin_operator.domain.table.columns import Algorithm, Columns, Learner
from twin_operator.domain.table.experiment_data import ExperimentData, prepare

CLUSTERED = replace(COLUMNS, cluster="household")


def fitted(data: ExperimentData, learner: Learner = LINEAR) -> OutcomeModels:
    return cross_fit(data, learner, lambda _share: None)


def own_predictions(data: ExperimentData, models: OutcomeModels) -> np.ndarray:
    return models.prediction[np.arange(data.rows), data.arm]


@pytest.mark.learner
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_learns_what_there_is_to_learn(algorithm: Algorithm) -> None:
    data = prepare(trial(rows=3_000), COLUMNS)
    models = fitted(data, Learner(algorithm, folds=3))
    assert models.learned.all()
    assert (models.loss < 0.9 * models.mean_loss).all()


@pytest.mark.learner
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_takes_missing_values(algorithm: Algorithm) -> None:
    table = trial(rows=1_000)
    table["age"][::7] = np.nan
    table["region"][::5] = None
    models = fitted(prepare(table, BINARY), Learner(algorithm, folds=3))
    assert np.isfinite(models.prediction).all()


def test_predictions_agree_with_a_plain_regression_per_arm() -> None:
    data = prepare(trial(rows=6_000), COLUMNS)
    region = np.eye(3)[data.features["region"]]
    matrix = np.column_stack([data.features["age"], data.features["visits"], region])
    treated = data.arm == 1
    plain = LinearRegression().fit(matrix[treated], data.outcome[treated]).predict(matrix)
    assert np.abs(fitted(data).prediction[:, 1] - plain).mean() < 0.1


@pytest.mark.learner
def test_features_that_tell_nothing_give_way_to_the_mean() -> None:
    rng = np.random.default_rng(5)
    table = {**trial(rows=800), "spend": rng.normal(size=800)}
    data = prepare(table, COLUMNS)
    models = fitted(data, Learner(Algorithm.GRADIENT_BOOSTING, folds=3))
    assert not models.learned.any()
    assert np.ptp(models.prediction[:, 0]) < 0.2


def test_an_outcome_written_into_a_single_row_does_not_reach_its_own_prediction() -> None:
    table = trial(rows=6_000)
    data = prepare(table, COLUMNS)
    row = int(np.flatnonzero(~data.held_out)[0])
    changed = replace(data, outcome=np.where(np.arange(data.rows) == row, data.outcome + 1.0, data.outcome))
    before, after = own_predictions(data, fitted(data))[row], own_predictions(changed, fitted(changed))[row]
    assert after == pytest.approx(before, abs=1e-3)


def test_a_held_out_outcome_reaches_no_prediction() -> None:
    data = prepare(trial(rows=1_000), COLUMNS)
    shuffled = data.outcome.copy()
    shuffled[data.held_out] = np.random.default_rng(0).permutation(shuffled[data.held_out])
    changed = replace(data, outcome=shuffled)
    assert np.allclose(fitted(data).prediction, fitted(changed).prediction, atol=1e-6)


def test_progress_ends_at_one() -> None:
    shares: list[float] = []
    cross_fit(prepare(trial(), COLUMNS), LINEAR, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.learner
def test_a_feature_may_have_hundreds_of_levels() -> None:
    table = trial(rows=2_000)
    table["region"] = np.array([f"town {number % 700}" for number in range(2_000)], dtype=object)
    data = prepare(table, COLUMNS)
    for algorithm in Algorithm:
        assert np.isfinite(fitted(data, Learner(algorithm, folds=2)).prediction).all()


def test_an_arm_without_events_is_predicted_by_its_mean() -> None:
    table = trial(rows=600)
    table["bought"][table["arm"] == "none"] = 0.0
    models = fitted(prepare(table, BINARY))
    assert models.prediction[:, 0] == pytest.approx(0.0)


def test_one_row_in_ten_is_held_out() -> None:
    data = prepare(trial(rows=20_000), COLUMNS)
    assert data.held_out.mean() == pytest.approx(0.1, abs=0.01)


def test_equal_rows_are_held_out_one_by_one() -> None:
    table = trial(rows=2_000)
    same = {**table, "age": np.ones(2_000), "visits": np.ones(2_000), "region": np.full(2_000, "north", dtype=object)}
    assert prepare(same, BINARY).held_out.mean() == pytest.approx(0.1, abs=0.03)


def test_a_row_stays_held_out_when_others_join() -> None:
    few, many = trial(rows=600, seed=1), trial(rows=600, seed=2)
    joined = {name: np.concatenate([few[name], many[name]]) for name in few}
    ages = {age for data in (prepare(few, COLUMNS),) for age in data.features["age"][data.held_out]}
    later = prepare(joined, COLUMNS)
    assert ages <= set(later.features["age"][later.held_out])


def test_a_cluster_is_held_out_or_fitted_as_a_whole() -> None:
    data = prepare(trial(rows=2_000), CLUSTERED)
    share = np.bincount(data.cluster, weights=data.held_out) / np.bincount(data.cluster)
    assert set(share) == {0.0, 1.0}


def test_a_cluster_is_in_one_fold() -> None:
    data = prepare(trial(rows=2_000), CLUSTERED)
    folds = assign_folds(data, 5, seed=0)
    assert all(np.unique(folds[data.cluster == cluster]).size == 1 for cluster in np.unique(data.cluster))


def test_folds_balance_arms_and_events() -> None:
    data = prepare(trial(rows=3_000), BINARY)
    folds = assign_folds(data, 5, seed=0)
    cells = data.arm * 2 + data.outcome.astype(int)
    counts = np.array([np.bincount(cells[folds == fold]) for fold in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1


def test_another_seed_makes_other_folds() -> None:
    data = prepare(trial(), COLUMNS)
    same = assign_folds(data, 5, seed=0) == assign_folds(data, 5, seed=1)
    assert same[~data.held_out].mean() < 0.4


@pytest.mark.parametrize(
    ("columns", "rows", "seventh"),
    [
        (COLUMNS, [2, 7, 23, 34, 42, 46, 47, 55, 68, 84, 87, 91, 98], 911824898244840406),
        (BINARY, [11, 13, 16, 30, 49, 62, 83, 86, 106], 732146719315630306),
        (CLUSTERED, [4, 5, 6, 7, 100, 101, 102, 103], 430399406592735886),
    ],
)
def test_the_same_rows_are_held_out_by_every_release(columns: Columns, rows: list[int], seventh: int) -> None:
    number = np.arange(120.0)
    table = {
        "arm": np.where(number % 2 == 0, "none", "letter").astype(object),
        "age": number / 4,
        "visits": number % 7,
        "region": np.where(number % 3 == 0, "north", "south").astype(object),
        "spend": number % 11,
        "bought": (number % 5 == 0).astype(float),
        "household": number // 4,
    }
    data = prepare(table, columns)
    assert sorted((4 * data.features["age"][data.held_out]).astype(int)) == rows
    assert data.unit_hash[7] == seventh
