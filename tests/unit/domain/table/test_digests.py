"""New rows are counted by content, as often as they occur."""

import csv
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, Table, trial
from twin_operator.domain.table.columns import Columns, Feature, FeatureType, OutcomeType
from twin_operator.domain.table.digests import new_rows
from twin_operator.domain.table.experiment_data import ExperimentData, prepare

FILE = Path(__file__).parents[4] / "examples" / "hillstrom" / "hillstrom.csv.gz"
FULL = replace(COLUMNS, experiment="site", cluster="household", weight="w", propensity="p", time="when")


def table(rows: int = 400, seed: int = 0) -> Table:
    days = np.arange(rows).astype("timedelta64[D]")
    extra = {"w": 1.0 + np.arange(rows) % 3, "p": np.full(rows, 0.5), "when": np.datetime64("2025-01-01", "ns") + days}
    return {**trial(rows, seed, sites=3), **extra}


def content(changed: Table, columns: Columns = FULL) -> np.ndarray:
    return prepare(changed, columns).content


def reordered(raw: Table, order: np.ndarray) -> Table:
    return {name: raw[name][order] for name in reversed(raw)}


def test_equal_rows_count_as_often_as_they_occur() -> None:
    known = np.array([5, 5, 7], dtype=np.uint64)
    new = np.array([7, 5, 5, 5, 9, 9], dtype=np.uint64)
    assert new_rows(new, known) == 3
    assert new_rows(known, new) == 0
    assert new_rows(new, known[:0]) == 6
    assert new_rows(known[:0], known) == 0


@pytest.mark.parametrize("columns", [FULL, COLUMNS, BINARY])
def test_neither_the_order_of_rows_nor_that_of_columns_makes_rows_new(columns: Columns) -> None:
    shuffled = reordered(table(), np.random.default_rng(1).permutation(400))
    assert new_rows(content(shuffled, columns), content(table(), columns)) == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("arm", "letter"),
        ("spend", 1e6),
        ("site", "site 99"),
        ("household", "another"),
        ("w", 9.0),
        ("p", 0.25),
        ("when", np.datetime64("2031-01-01", "ns")),
        ("age", np.nan),
        ("region", None),
    ],
)
def test_a_row_that_differs_in_anything_is_new(column: str, value: object) -> None:
    changed = table()
    row = int(np.flatnonzero(changed["arm"] == "none")[0])
    changed[column] = changed[column].astype(object) if isinstance(value, str) else changed[column].copy()
    changed[column][row] = value
    assert new_rows(content(changed), content(table())) == 1


def test_joined_rows_are_new_and_the_old_ones_are_not() -> None:
    old, other = table(), table(rows=60, seed=9)
    joined = {name: np.concatenate([old[name], other[name]]) for name in old}
    assert new_rows(content(joined), content(old)) == 60


@pytest.fixture(scope="module")
def hillstrom() -> ExperimentData:
    with gzip.open(FILE, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    raw = {name: np.array([row[name] for row in rows], dtype=object) for name in rows[0]}
    numeric = ("recency", "history", "mens", "womens", "newbie", "conversion", "spend")
    labels = ("zip_code", "channel", "history_segment")
    features = (
        *(Feature(name, FeatureType.NUMERIC) for name in numeric),
        *(Feature(name, FeatureType.CATEGORICAL) for name in labels),
    )
    return prepare(raw, Columns(features, "segment", "No E-Mail", "visit", OutcomeType.BINARY))


def test_the_duplicates_of_a_real_file_are_counted_one_by_one(hillstrom: ExperimentData) -> None:
    whole = hillstrom.content
    assert whole.size - np.unique(whole).size == 6_562
    _, first = np.unique(whole, return_index=True)
    repeats = np.setdiff1d(np.arange(whole.size), first)
    for count in (1, 100, repeats.size):
        assert new_rows(whole, np.delete(whole, repeats[:count])) == count
    assert new_rows(np.delete(whole, repeats), whole) == 0
