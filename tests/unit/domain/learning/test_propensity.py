"""Probabilities of the arms: given, the design's, or estimated and refused where arms are not comparable."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import COLUMNS, LINEAR, SITES, Table, trial, twin
from twin_operator.domain.errors import NoOverlap
from twin_operator.domain.learning.cross_fitting import assign_folds
from twin_operator.domain.learning.propensity import Propensity, propensity_of
from twin_operator.domain.table.columns import Algorithm, Assignment, Columns, Learner
from twin_operator.domain.table.experiment_data import prepare

OBSERVATIONAL = replace(COLUMNS, assignment=Assignment.OBSERVATIONAL)


def estimated(table: Table, columns: Columns, learner: Learner = LINEAR) -> Propensity:
    data = prepare(table, columns)
    return propensity_of(data, learner, assign_folds(data, learner.folds, learner.seed))


def confounded(strength: float, rows: int = 4_000, seed: int = 0) -> Table:
    """Older people get letters more often, and spend more anyway; the letter itself is worth 1."""
    table = trial(rows=rows, seed=seed, effect=0.0)
    rng = np.random.default_rng(seed + 1)
    treated = rng.random(rows) < 1 / (1 + np.exp(-strength * (table["age"] - 50) / 10))
    return {**table, "arm": np.where(treated, "letter", "none").astype(object), "spend": table["spend"] + treated}


def test_a_randomised_row_has_the_share_of_the_arm_in_its_experiment() -> None:
    table = trial(rows=800, sites=2)
    one_site = table["site"] == "site 00"
    table["arm"][one_site] = np.where(np.arange(one_site.sum()) % 4 == 0, "letter", "none")
    data = prepare(table, SITES)
    probability = propensity_of(data, LINEAR, assign_folds(data, 3, 0)).probability
    assert probability[data.experiment == 0, 1] == pytest.approx(0.25)


def test_an_arm_that_an_experiment_did_not_have_is_not_possible_there() -> None:
    table = trial(rows=900, sites=2)
    table["arm"][(table["site"] == "site 01") & (np.arange(900) % 3 == 0)] = "call"
    data = prepare(table, SITES)
    possible = propensity_of(data, LINEAR, assign_folds(data, 3, 0)).possible
    assert not possible[data.experiment == 0, 1].any()
    assert possible[data.experiment == 1].all()


def test_a_given_probability_is_never_clipped() -> None:
    table = {**trial(), "p": np.where(np.arange(600) == 0, 0.001, 0.5)}
    assert estimated(table, replace(COLUMNS, propensity="p")).probability.min() == pytest.approx(0.001)


@pytest.mark.parametrize("algorithm", [Algorithm.LINEAR, Algorithm.GRADIENT_BOOSTING])
def test_estimated_probabilities_are_near_the_true_ones(algorithm: Algorithm) -> None:
    table = confounded(strength=1.0)
    data = prepare(table, OBSERVATIONAL)
    found = propensity_of(data, Learner(algorithm), assign_folds(data, 5, 0)).probability[:, 1]
    true = 1 / (1 + np.exp(-(data.features["age"] - 50) / 10))
    assert np.mean(np.abs(found - true)) < 0.06


def test_the_effect_in_observational_data_is_freed_of_what_features_explain() -> None:
    table = confounded(strength=1.0)
    treated = table["arm"] == "letter"
    plain = table["spend"][treated].mean() - table["spend"][~treated].mean()
    effect = twin(table, OBSERVATIONAL).effects[0]
    assert plain > 1.5
    assert effect.estimate == pytest.approx(1.0, abs=0.25)


def test_arms_of_different_kinds_of_units_are_refused() -> None:
    with pytest.raises(NoOverlap, match=r"practically out of reach|different kinds of units"):
        estimated(confounded(strength=12.0), OBSERVATIONAL)


def test_observational_data_reports_what_would_undo_the_effect() -> None:
    trained = twin(confounded(strength=0.5), OBSERVATIONAL)
    assert 0 < trained.metrics["robustness_value_letter"] < 1
    assert any("hidden cause" in warning for warning in trained.warnings)
