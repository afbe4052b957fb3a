"""Outcome models never see the rows that they are asked about, and give way to the mean where they are no better."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from tests.unit.domain.tables import BINARY, COLUMNS, LINEAR, trial
from twin_operator.domain.learning.cross_fitting import OutcomeModels, cross_fit
from twin_operator.domain.table.columns import Algorithm, Learner
from twin_operator.domain.table.experiment_data import ExperimentData, prepare


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
