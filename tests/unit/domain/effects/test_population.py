"""`where` selects past units; what cannot be selected is refused with what exists."""

import numpy as np
import pytest

from tests.unit.domain.tables import SITES, trial, twin
from twin_operator.domain.effects.population import Clause, matching_rows
from twin_operator.domain.errors import (
    ArmsNotCompared,
    DomainError,
    EmptyPopulation,
    UnknownArm,
    UnknownFeature,
    UnknownLevel,
)


def gapped_table() -> dict[str, np.ndarray]:
    table = trial()
    table["visits"][:10] = np.nan
    table["region"][:10] = None
    return table


BANK = twin(gapped_table()).bank


def selected(*clauses: Clause) -> np.ndarray:
    return matching_rows(BANK, clauses, 1, 0)


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("In", ("2", "3"), lambda visits: np.isin(visits, [2, 3])),
        ("NotIn", ("2", "3"), lambda visits: ~np.isin(visits, [2, 3])),
        ("LessThan", ("3",), lambda visits: visits < 3),
        ("LessThanOrEqual", ("3",), lambda visits: visits <= 3),
        ("GreaterThan", ("3",), lambda visits: visits > 3),
        ("GreaterThanOrEqual", ("3.0",), lambda visits: visits >= 3),
    ],
)
def test_a_number_is_compared_by(operator: str, values: tuple[str, ...], holds: object) -> None:
    assert callable(holds)
    expected = np.flatnonzero(holds(BANK.features["visits"]))
    assert np.array_equal(selected(Clause("visits", operator, values)), expected)


def test_a_label_is_in_a_list() -> None:
    levels = np.array([*BANK.levels["region"], None], dtype=object)[BANK.features["region"]]
    assert np.array_equal(selected(Clause("region", "In", (" west ",))), np.flatnonzero(levels == "west"))


def test_a_missing_value_is_in_no_list_and_not_in_every_other() -> None:
    inside = selected(Clause("region", "In", BANK.levels["region"])).size
    outside = selected(Clause("region", "NotIn", BANK.levels["region"])).size
    assert (inside, outside) == (590, 10)


def test_all_clauses_must_hold() -> None:
    both = selected(Clause("visits", "GreaterThan", ("2",)), Clause("region", "In", ("north",)))
    one, other = selected(Clause("visits", "GreaterThan", ("2",))), selected(Clause("region", "In", ("north",)))
    assert np.array_equal(both, np.intersect1d(one, other))


CASES: dict[str, tuple[Clause, type[DomainError], str]] = {
    "a feature": (Clause("height", "In", ("1",)), UnknownFeature, 'no feature "height"; it has "age", "region"'),
    "a level": (Clause("region", "In", ("east",)), UnknownLevel, 'no level "east"; it has "north", "south", "west"'),
    "an operator": (Clause("age", "Like", ("4",)), UnknownLevel, 'no operator "Like"; use "In"'),
    "an order of labels": (Clause("region", "LessThan", ("west",)), UnknownLevel, "use In or NotIn"),
    "a number": (Clause("age", "LessThan", ("young",)), UnknownLevel, '"young" is not a number'),
    "not a number": (Clause("age", "LessThan", ("nan",)), UnknownLevel, '"nan" is not a number'),
    "two bounds": (Clause("age", "LessThan", ("4", "5")), UnknownLevel, "takes one value, not 2"),
    "nobody": (Clause("age", "GreaterThan", ("200",)), EmptyPopulation, "No past unit satisfies age GreaterThan 200"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_clause_is_refused_that_names(case: str) -> None:
    clause, error, sentence = CASES[case]
    with pytest.raises(error, match=sentence) as refused:
        selected(clause)
    assert refused.value.reason == error.__name__


def test_labels_of_single_units_are_not_listed() -> None:
    table = trial()
    table["region"] = np.array([f"customer {row}" for row in range(600)], dtype=object)
    bank = twin(table).bank
    with pytest.raises(UnknownLevel, match='no level "east"; it has 600 different values in 600 rows'):
        matching_rows(bank, (Clause("region", "In", ("east",)),), 0, 1)


def test_an_unknown_arm_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownArm, match='no arm "phone call"; it has "none", "letter"'):
        BANK.arm_code("phone call")


def test_arms_of_different_experiments_are_not_compared() -> None:
    table = trial(rows=800, sites=2)
    table["arm"][(table["site"] == "site 01") & (table["arm"] == "letter")] = "call"
    bank = twin(table, SITES).bank
    with pytest.raises(ArmsNotCompared, match='both "letter" and "call"'):
        matching_rows(bank, (), bank.arm_code("letter"), bank.arm_code("call"))
