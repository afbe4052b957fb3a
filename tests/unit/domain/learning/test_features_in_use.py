"""A feature without a value in the rows of a fit is left out of the models, with a warning; the training goes on."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import COLUMNS, LINEAR, SITES, Table, trial, twin
from twin_operator.domain.checks.assignment_check import check_assignment
from twin_operator.domain.effects.population import Clause, matching_rows
from twin_operator.domain.effects.weighted_effect import weighted_effect
from twin_operator.domain.errors import DataInvalid, EmptyPopulation, OutsideSupport
from twin_operator.domain.fidelity.paired_losses import table_of
from twin_operator.domain.learning.cross_fitting import predict_others
from twin_operator.domain.table.columns import Algorithm, Assignment, Feature, FeatureType, Learner
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.train import TrainedTwin

INCOME = Feature("income", FeatureType.NUMERIC)
CHANNEL = Feature("channel", FeatureType.CATEGORICAL)
WIDER = replace(COLUMNS, features=(*COLUMNS.features, INCOME))
OBSERVATIONAL = replace(COLUMNS, features=(INCOME,), assignment=Assignment.OBSERVATIONAL)


def with_income(known: np.ndarray, table: Table | None = None) -> Table:
    """A trial with an income that is known in some rows only."""
    wider = trial(rows=240) if table is None else table
    return wider | {"income": np.where(known, np.arange(known.size) % 7, np.nan)}


def nowhere(rows: int = 240) -> np.ndarray:
    return np.zeros(rows, dtype=bool)


def left_out(trained: TrainedTwin) -> list[str]:
    return [warning for warning in trained.warnings if "left out of the models" in warning]


def test_a_feature_that_is_empty_in_every_row_is_named_and_the_others_are_used() -> None:
    trained = twin(with_income(nowhere()), WIDER)
    assert left_out(trained) == ['Feature "income" left out of the models: empty in every row.']
    assert sum('"income"' in warning for warning in trained.warnings) == 1
    assert trained.metrics["r_squared_letter"] == pytest.approx(
        twin(trial(rows=240)).metrics["r_squared_letter"], abs=0.1
    )
    assert trained.metrics["r_squared_letter"] > 0.1


@pytest.mark.learner
@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("known", [0, 1], ids=["nowhere", "in a single row"])
@pytest.mark.parametrize("feature", [INCOME, CHANNEL], ids=["a number", "a label"])
def test_no_algorithm_fails_on_an_empty_feature(algorithm: Algorithm, known: int, feature: Feature) -> None:
    cells = ["7"] * known + [""] * (240 - known)
    table = trial(rows=240) | {feature.name: np.array(cells, dtype=object)}
    columns = replace(COLUMNS, features=(*COLUMNS.features, feature))
    assert len(left_out(twin(table, columns, Learner(algorithm, folds=2)))) == 1


def test_a_feature_that_is_empty_in_one_arm_is_left_out_and_the_arm_is_named() -> None:
    table = trial(rows=240)
    trained = twin(with_income(table["arm"] == "letter", table), WIDER)
    assert left_out(trained) == ['Feature "income" left out of the models: empty in every row of the arm "none".']
    assert trained.assignment_not_random is None


def test_a_feature_that_a_fold_has_for_itself_is_left_out() -> None:
    table = trial(rows=240)
    known = nowhere()
    known[[np.flatnonzero(table["arm"] == arm)[0] for arm in ("none", "letter")]] = True
    (sentence,) = left_out(twin(with_income(known, table), WIDER))
    assert sentence.startswith('Feature "income" left out of the models: empty in every row that the model')


def test_a_feature_with_a_few_values_in_each_fit_is_used() -> None:
    known = np.arange(240) % 3 == 0
    assert left_out(twin(with_income(known), WIDER)) == []


@pytest.mark.parametrize("seed", range(3))
def test_whether_a_feature_is_left_out_does_not_depend_on_the_order_of_the_rows(seed: int) -> None:
    known = np.arange(240) % 40 == 0
    table = with_income(known)
    order = np.random.default_rng(seed).permutation(240)
    shuffled = {name: values[order] for name, values in table.items()}
    one, other = twin(table, WIDER), twin(shuffled, WIDER)
    assert left_out(one) == left_out(other)
    assert one.effects[0].estimate == pytest.approx(other.effects[0].estimate, rel=1e-9)


def test_without_any_feature_the_means_answer_a_randomised_trial() -> None:
    """Its arms are comparable as they are: a wider interval serves the user more than no twin."""
    trained = twin(with_income(nowhere()), replace(COLUMNS, features=(INCOME,)))
    table = trial(rows=240)
    difference = table["spend"][table["arm"] == "letter"].mean() - table["spend"][table["arm"] == "none"].mean()
    assert trained.effects[0].estimate == pytest.approx(difference, abs=0.05)
    assert len(left_out(trained)) == 1


def test_without_any_feature_observational_data_is_refused() -> None:
    """Nothing is left to make the arms comparable by: the means would be an answer that only seems to be one."""
    with pytest.raises(DataInvalid, match='"income" left out of the models: empty in every row') as refused:
        twin(with_income(nowhere()), OBSERVATIONAL)
    assert "columns.features" in str(refused.value)


@pytest.mark.learner
def test_without_any_feature_trees_are_fitted_likewise() -> None:
    table = with_income(nowhere(), trial(rows=240, sites=2))
    for columns in (COLUMNS, SITES):
        trained = twin(table, replace(columns, features=(INCOME,)), Learner(folds=2))
        assert np.isfinite(trained.effects[0].estimate)


@pytest.mark.parametrize("operator", ["In", "NotIn", "LessThan"])
def test_a_population_cannot_be_chosen_by_an_empty_feature(operator: str) -> None:
    bank = twin(with_income(nowhere()), WIDER).bank
    with pytest.raises(EmptyPopulation, match='"income" is empty for every past unit'):
        matching_rows(bank, (Clause("income", operator, ("3",)),), 1, 0)


def test_a_population_by_a_feature_of_one_arm_is_refused_with_the_other_arm() -> None:
    table = trial(rows=240)
    bank = twin(with_income(table["arm"] == "letter", table), WIDER).bank
    rows = matching_rows(bank, (Clause("income", "LessThan", ("3",)),), 1, 0)
    with pytest.raises(OutsideSupport, match='got arm "none"'):
        weighted_effect(bank, rows, 1, 0)


def test_rows_of_another_version_are_predicted_without_the_feature_that_was_left_out() -> None:
    bank = twin(with_income(nowhere()), WIDER).bank
    predicted = predict_others(table_of(bank), LINEAR, bank)
    assert np.isfinite(predicted).all()
    assert predicted.shape == (bank.rows, 2)


def test_the_check_of_the_assignment_leaves_out_what_its_own_fits_do_not_know() -> None:
    """Its three folds are not those of the models: two values in each arm can be in one of them."""
    known = np.arange(240) < 2
    data = prepare(with_income(known), WIDER)
    for seed in range(6):
        assert np.isfinite(check_assignment(data, seed).findings.metrics["assignment_p"])


def test_the_propensity_does_not_see_a_feature_that_gives_the_arm_away() -> None:
    table = trial(rows=300)
    columns = replace(WIDER, assignment=Assignment.OBSERVATIONAL)
    trained = twin(with_income(table["arm"] == "letter", table), columns)
    assert trained.metrics["clipped_share"] == 0
