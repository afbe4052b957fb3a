"""Intervals cover the truth about as often as they say, in simulated trials with known effects."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, COLUMNS, LINEAR, Table, trial
from twin_operator.domain.effects.predictive import within_experiment
from twin_operator.domain.effects.weighted_effect import WeightedEffect, weighted_effect
from twin_operator.domain.learning.cross_fitting import assign_folds, cross_fit
from twin_operator.domain.learning.doubly_robust_scores import bank_of
from twin_operator.domain.learning.propensity import propensity_of
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.experiment_data import prepare

pytestmark = pytest.mark.learner

TRIALS = 60


def measured(table: Table, columns: Columns) -> WeightedEffect:
    data = prepare(table, columns)
    propensity = propensity_of(data, LINEAR, assign_folds(data, LINEAR.folds, 0))
    bank = bank_of(data, cross_fit(data, LINEAR, lambda _share: None), propensity)
    return weighted_effect(bank, np.arange(bank.rows), 1, 0)


def covers(effect: WeightedEffect, truth: float) -> bool:
    low, high = within_experiment(effect).interval(0.95)
    return low <= truth <= high


def test_the_interval_of_one_experiment_covers_its_effect() -> None:
    covered = [covers(measured(trial(rows=400, seed=seed), COLUMNS), 1.0) for seed in range(TRIALS)]
    assert np.mean(covered) >= 0.88


def test_features_make_the_interval_narrower_than_the_plain_one() -> None:
    table = trial(rows=2_000)
    plain = measured(table, replace(COLUMNS, features=())).variance
    assert measured(table, COLUMNS).variance < 0.75 * plain


def test_clustered_trials_are_covered_when_the_cluster_is_named() -> None:
    covered = []
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        table, village = trial(rows=400, seed=seed, effect=0.0), np.arange(400) // 20
        treated = rng.permutation(np.arange(20) % 2)[village]
        table["arm"] = np.where(treated == 1, "letter", "none").astype(object)
        table["spend"] = table["spend"] + treated + rng.normal(0, 1.5, 20)[village]
        covered.append(covers(measured({**table, "village": village}, replace(COLUMNS, cluster="village")), 1.0))
    assert np.mean(covered) >= 0.87


def test_rare_events_are_covered() -> None:
    covered = []
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        table = trial(rows=400, seed=seed)
        table["bought"] = (rng.random(400) < np.where(table["arm"] == "letter", 0.03, 0.01)).astype(float)
        if table["bought"].any():
            covered.append(covers(measured(table, BINARY), 0.02))
    assert np.mean(covered) >= 0.9
