"""Each bad table is refused with a sentence that says what to correct."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, Table, trial
from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.columns import Columns, Feature, FeatureType
from twin_operator.domain.table.experiment_data import prepare

Change = Callable[[Table], Table]


def with_column(name: str, values: object) -> Change:
    return lambda table: {**table, name: np.resize(np.asarray(values, dtype=object), len(table["arm"]))}


def without(name: str) -> Change:
    return lambda table: {key: column for key, column in table.items() if key != name}


def first_rows(count: int) -> Change:
    return lambda table: {name: column[:count] for name, column in table.items()}


def unchanged(table: Table) -> Table:
    return table


def blank(name: str, rows: int) -> Change:
    def change(table: Table) -> Table:
        column = table[name].astype(object)
        column[:rows] = None
        return {**table, name: column}

    return change


CASES: dict[str, tuple[Change, Columns, str]] = {
    "no rows": (first_rows(0), COLUMNS, "has a header but no rows"),
    "a missing column": (without("age"), COLUMNS, 'no column "age"; it has "arm", "bought", "household", "region"'),
    "a constant quantity": (with_column("spend", [7.0]), COLUMNS, r'"spend" is constant \(one value in all 600 rows\)'),
    "a constant event": (with_column("bought", ["Yes"]), BINARY, '"bought" is constant'),
    "an empty outcome": (with_column("spend", [None]), COLUMNS, "No row has both"),
    "one arm only": (with_column("arm", ["none"]), COLUMNS, "one arm only"),
    "an absent control": (unchanged, replace(COLUMNS, control="placebo"), 'never has the control "placebo".*"letter"'),
    "too few rows": (first_rows(90), COLUMNS, "at least 50"),
    "text in a numeric feature": (with_column("age", [40, "old"]), COLUMNS, '^Column "age", row 2: a number is needed'),
    "text in a quantity": (with_column("spend", [1, "much"]), COLUMNS, '^Column "spend", row 2: a number is needed'),
    "an infinite feature": (with_column("age", [40.0, np.inf]), COLUMNS, '^Column "age", row 2: the value is infinite'),
    "three kinds of event": (with_column("bought", [0, 1, 2]), BINARY, r"has more than two values \(.0., .1., .2.\)"),
    "an event without a yes": (with_column("bought", ["won", "lost"]), BINARY, "columns.outcome.positive"),
    "an unknown positive level": (
        with_column("bought", ["won", "lost"]),
        replace(BINARY, positive="drawn"),
        'never has the positive level "drawn"',
    ),
    "a row without an experiment": (blank("site", 3), replace(COLUMNS, experiment="site"), '"site" is empty in 3 rows'),
    "negative weights": (with_column("w", [-1.0, 2.0]), replace(COLUMNS, weight="w"), "negative weights"),
    "impossible propensities": (with_column("p", [0.0, 0.5]), replace(COLUMNS, propensity="p"), "outside"),
    "too few clusters": (with_column("c", list("abc")), replace(COLUMNS, cluster="c"), "3 clusters"),
    "times that are none": (
        with_column("when", ["soon"]),
        replace(COLUMNS, time="when"),
        '^Column "when", row 1: a time is needed',
    ),
    "a column in two parts": (
        unchanged,
        replace(COLUMNS, features=(Feature("spend", FeatureType.NUMERIC),)),
        '"spend" is named twice',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_table_is_refused_with_what_to_correct_for(case: str) -> None:
    change, columns, sentence = CASES[case]
    with pytest.raises(DataInvalid, match=sentence):
        prepare(change(trial()), columns)


def test_the_reason_is_that_of_the_api() -> None:
    assert DataInvalid.reason == "DataInvalid"
