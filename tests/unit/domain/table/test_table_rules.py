"""Each bad table is refused with a sentence that says what to correct."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, SITES, Table, trial, twin
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


HIDDEN = "Anna Example"


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("age", COLUMNS),
        ("spend", COLUMNS),
        ("w", replace(COLUMNS, weight="w")),
        ("p", replace(COLUMNS, propensity="p")),
        ("when", replace(COLUMNS, time="when")),
    ],
)
def test_a_refused_cell_is_named_by_its_column_and_row_and_not_shown(name: str, columns: Columns) -> None:
    table = {**trial(), "w": np.ones(600), "p": np.full(600, 0.5), "when": np.full(600, 20260301)}
    table[name] = table[name].astype(object)
    table[name][41] = HIDDEN
    table["arm"][:7] = None  # rows that are left out count
    with pytest.raises(DataInvalid, match=f'^Column "{name}", row 42: ') as refused:
        prepare(table, columns)
    assert HIDDEN not in str(refused.value)


def each_row(table: Table) -> Table:
    names = np.array([f"{HIDDEN} {row}" for row in range(len(table["arm"]))], dtype=object)
    return {**table, "arm": names, "bought": names}


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS,
        replace(COLUMNS, control=f"{HIDDEN} 0"),
        replace(BINARY, treatment="region", control="north"),
        replace(BINARY, treatment="region", control="north", positive="yes"),
    ],
)
def test_no_value_is_listed_of_a_column_that_has_another_in_every_row(columns: Columns) -> None:
    with pytest.raises(DataInvalid, match=r"(600|599) different values in (600|599) rows") as refused:
        prepare(each_row(trial()), replace(columns, features=()))
    assert HIDDEN not in str(refused.value)


def test_at_most_five_arms_are_listed() -> None:
    table = with_column("arm", list("abcdefg"))(trial())
    with pytest.raises(DataInvalid, match='it has "a", "b", "c", "d", "e" and 2 more'):
        prepare(table, COLUMNS)


def test_the_reason_is_that_of_the_api() -> None:
    assert DataInvalid.reason == "DataInvalid"


def in_pairs(table: Table, size: int) -> Table:
    """Experiments of `size` rows, with the arms in turn."""
    return {**table, "site": np.array([f"wave {row // size}" for row in range(table["arm"].size)], dtype=object)}


@pytest.mark.parametrize("size", [1, 4, 8])
def test_experiments_that_compare_no_arms_are_refused_with_what_to_write(size: int) -> None:
    """Alternating arms: eight rows are four an arm, one fewer than an experiment needs."""
    table = trial(rows=240)
    table["arm"] = np.where(np.arange(240) % 2 == 1, "letter", "none").astype(object)
    with pytest.raises(DataInvalid, match='Experiment column "site" has') as refused:
        prepare(in_pairs(table, size), SITES)
    assert "leave columns.experiment out" in str(refused.value)
    assert "wave" not in str(refused.value)


def test_experiments_of_one_arm_each_are_refused() -> None:
    table = trial(rows=240)
    table["site"] = table["arm"]
    with pytest.raises(DataInvalid, match="has 2 different values in 240 rows, and none of them has 5 rows"):
        prepare(table, SITES)


def test_small_experiments_next_to_one_that_compares_the_arms_are_taken_with_a_warning() -> None:
    table = trial(rows=240)
    table["site"] = np.array([f"wave {row // 4}" if row < 120 else "large" for row in range(240)], dtype=object)
    trained = twin(table, SITES)
    assert any("rows are of arms with too few units in their experiment" in warning for warning in trained.warnings)
    assert np.isfinite(trained.effects[0].estimate)


@pytest.mark.parametrize("length", [257, 5_000])
def test_an_arm_with_a_label_that_no_simulation_can_name_is_refused_without_the_label(length: int) -> None:
    table = trial()
    table["arm"] = np.where(table["arm"] == "letter", "m" * length, table["arm"]).astype(object)
    with pytest.raises(DataInvalid, match='column "arm" has 1 label of more than 256 characters') as refused:
        prepare(table, COLUMNS)
    assert "mmm" not in str(refused.value)


def test_an_arm_with_a_label_of_256_characters_is_taken() -> None:
    table = trial()
    table["arm"] = np.where(table["arm"] == "letter", "m" * 256, table["arm"]).astype(object)
    assert prepare(table, COLUMNS).arms == ("none", "m" * 256)
