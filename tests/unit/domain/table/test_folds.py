"""Which rows are fitted on, and which are not, follows from what they contain alone."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, trial
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.table.folds import assign_folds

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
