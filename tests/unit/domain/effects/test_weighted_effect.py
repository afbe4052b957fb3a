"""The effect in a population, against ordinary tools on the same scores."""

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from tests.unit.domain.tables import BINARY, COLUMNS, rows_of, trial, twin
from twin_operator.domain.effects.weighted_effect import event_floor, weighted_effect
from twin_operator.domain.errors import OutsideSupport
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.twin import Bank


def bank_of(columns: Columns = COLUMNS, rows: int = 600) -> Bank:
    table = trial(rows=rows)
    table["w"] = np.random.default_rng(3).uniform(0.5, 2.0, rows)
    return twin(table, columns).bank


def test_without_features_the_effect_is_the_difference_of_means() -> None:
    table = trial()
    treated = table["arm"] == "letter"
    letter, none = table["spend"][treated], table["spend"][~treated]
    bank = twin(table, replace(COLUMNS, features=())).bank
    measured = weighted_effect(bank, rows_of(bank), 1, 0)
    classic = math.sqrt(letter.var(ddof=1) / letter.size + none.var(ddof=1) / none.size)
    assert measured.estimate == pytest.approx(letter.mean() - none.mean(), abs=0.02)
    assert math.sqrt(measured.variance) == pytest.approx(classic, rel=0.02)


def test_the_variance_is_that_of_a_weighted_regression_on_a_constant() -> None:
    bank = bank_of(replace(COLUMNS, weight="w"))
    gamma = bank.score[:, 1] - bank.score[:, 0]
    oracle = sm.WLS(gamma, np.ones(bank.rows), weights=bank.weight).fit(cov_type="HC0")
    measured = weighted_effect(bank, rows_of(bank), 1, 0)
    assert measured.estimate == pytest.approx(oracle.params[0])
    assert measured.variance == pytest.approx(oracle.bse[0] ** 2 * bank.rows / (bank.rows - 2))


def test_clusters_are_summed_as_a_cluster_robust_regression_does() -> None:
    bank = bank_of(replace(COLUMNS, cluster="household"))
    gamma = bank.score[:, 1] - bank.score[:, 0]
    options = {"groups": bank.cluster, "use_correction": False}
    oracle = sm.OLS(gamma, np.ones(bank.rows)).fit(cov_type="cluster", cov_kwds=options)
    measured = weighted_effect(bank, rows_of(bank), 1, 0)
    assert measured.clusters == 150
    assert measured.variance == pytest.approx(oracle.bse[0] ** 2 * 150 / 148)


def test_treated_less_baseline_is_the_effect() -> None:
    bank = bank_of()
    measured = weighted_effect(bank, rows_of(bank), 1, 0)
    assert measured.treated - measured.baseline == pytest.approx(measured.estimate)


def test_doubling_each_row_within_its_cluster_changes_nothing() -> None:
    bank = bank_of(replace(COLUMNS, cluster="household"))
    twice = np.repeat(rows_of(bank), 2)
    once, doubled = weighted_effect(bank, rows_of(bank), 1, 0), weighted_effect(bank, twice, 1, 0)
    assert doubled.estimate == pytest.approx(once.estimate)
    assert doubled.variance == pytest.approx(once.variance)


def test_fewer_than_six_clusters_are_refused() -> None:
    bank = bank_of(replace(COLUMNS, cluster="household"))
    few = np.flatnonzero(bank.cluster < 5)
    with pytest.raises(OutsideSupport, match="only 5 randomised units"):
        weighted_effect(bank, few, 1, 0)


def test_a_population_without_an_own_unit_of_an_arm_is_refused() -> None:
    bank = bank_of()
    with pytest.raises(OutsideSupport, match='got arm "letter"'):
        weighted_effect(bank, np.flatnonzero(bank.arm == 0), 1, 0)


def test_rare_events_have_a_floor_under_their_variance() -> None:
    table = trial(rows=400)
    table["bought"] = np.zeros(400)
    table["bought"][np.flatnonzero(table["arm"] == "none")[:2]] = 1.0
    bank = twin(table, BINARY).bank
    measured = weighted_effect(bank, rows_of(bank), 1, 0)
    floor = event_floor(0.0, 200.0) + event_floor(2 / 200, 200.0)
    assert measured.variance >= floor * (1 - 1e-9)


def test_the_floor_is_that_of_a_share_with_one_more_event_of_either_kind() -> None:
    assert event_floor(2 / 100, 100.0) == pytest.approx((3 / 102) * (99 / 102) / 102)
    assert event_floor(0.3, 100.0) == 0.0


def test_the_residual_variance_is_what_the_prediction_leaves() -> None:
    bank = bank_of(rows=3_000)
    measured = weighted_effect(bank, rows_of(bank), 1, 0)
    assert measured.treated_arm.residual_variance == pytest.approx(4.0, rel=0.1)
    assert measured.treated_arm.sd > 2.2
