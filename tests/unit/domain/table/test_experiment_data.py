"""Values as they come in real files are taken as a person would read them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, trial
from twin_operator.domain.table.cells import Cells, cells_of
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.table.raw_columns import read_labels, read_numbers
from twin_operator.domain.table.row_times import read_times


def cells(values: Any) -> Cells:
    return cells_of({"column": values})["column"]


def test_blanks_around_labels_are_trimmed_and_counted() -> None:
    labels = read_labels(cells(np.array([" a", "a", "b ", None, ""], dtype=object)))
    assert labels.levels == ("a", "b")
    assert labels.codes.tolist() == [0, 0, 1, -1, -1]
    assert labels.trimmed == 2


@pytest.mark.parametrize(
    ("values", "levels"),
    [([1.0, 2.0, np.nan], ("1", "2")), ([True, False, True], ("false", "true")), ([3, 4, 4], ("3", "4"))],
)
def test_numbers_and_truths_serve_as_labels(values: list[float], levels: tuple[str, ...]) -> None:
    assert read_labels(cells(values)).levels == levels


def test_yes_and_no_serve_as_numbers() -> None:
    numbers = read_numbers(cells(np.array(["Yes", "no", "TRUE", "1.5", None], dtype=object)))
    assert np.array_equal(numbers, [1, 0, 1, 1.5, np.nan], equal_nan=True)


def test_times_are_seconds_since_1970() -> None:
    as_time = read_times(cells(np.array(["1970-01-02", "NaT"], dtype="datetime64[ms]"))).seconds
    as_text = read_times(cells(np.array(["1970-01-02T00:00:00Z", None], dtype=object))).seconds
    assert np.array_equal(as_time, [86_400, np.nan], equal_nan=True)
    assert np.array_equal(as_text, as_time, equal_nan=True)


@pytest.mark.parametrize("pair", [("No", "Yes"), ("false", "true"), ("0", "1"), (0, 1), (False, True)])
def test_an_event_is_read_from_any_usual_pair(pair: tuple[object, object]) -> None:
    table = trial()
    bought = np.array([pair[int(value)] for value in table["bought"]], dtype=object)
    data = prepare({**table, "bought": bought}, BINARY)
    assert data.outcome.mean() == table["bought"].mean()


def test_a_positive_level_may_be_named() -> None:
    table = trial()
    words = np.where(table["bought"] == 1, "lost", "won").astype(object)
    data = prepare({**table, "bought": words}, replace(BINARY, positive="lost"))
    assert data.outcome.mean() == table["bought"].mean()


def test_rows_without_an_outcome_are_dropped_and_counted_by_arm() -> None:
    table = trial()
    lost = np.flatnonzero(table["arm"] == "letter")[:7]
    table["spend"][lost] = np.nan
    data = prepare(table, COLUMNS)
    assert data.rows == 593
    assert data.dropped == {"letter": 7, "none": 0}


def test_rows_without_an_arm_are_dropped_and_counted() -> None:
    table = trial()
    table["arm"][:4] = None
    assert prepare(table, COLUMNS).unassigned == 4


def test_the_control_is_the_first_arm() -> None:
    table = trial()
    table["arm"][:60] = "call"
    assert prepare(table, COLUMNS).arms == ("none", "call", "letter")


def test_no_array_of_the_caller_is_changed() -> None:
    table = trial()
    before = {name: column.copy() for name, column in table.items()}
    prepare(table, COLUMNS)
    assert all(np.array_equal(before[name], table[name]) for name in table)
