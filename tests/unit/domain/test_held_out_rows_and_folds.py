"""Which rows are fitted on, and which are not, follows from what they contain alone."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, trial
from twin_operator.domain.experiment_data import prepare
from twin_operator.domain.folds import assign_folds

CLUSTERED = replace(COLUMNS, cluster="household")


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
